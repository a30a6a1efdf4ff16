//! Images from registries.

use crate::digest::{Digest, Hasher, HashingReader};
use crate::failure::{Code, Failure, OrFail};
use crate::layers::{make_layers, Consume, Context, Layers};
use crate::lock::lock_file;
use crate::oci::{MAX_CONFIG, MAX_MANIFEST};
use crate::plan::{LayerPlan, Plan};
use crate::pool::Pool;
use crate::registry::blob::BlobFetch;
use crate::registry::endpoint::Endpoint;
use crate::registry::fetcher::Fetcher;
use crate::registry::growing::{Growing, Settled};
use crate::registry::manifest::{document, resolve, Resolved};
use crate::registry::reference::Reference;
use crate::report::{LayerReport, Outcome, Source, Step};
use crate::request::PullRequest;
use crate::store::{drop_file, Store};
use crate::unpack::layer::Unpacked;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// Fetches an image and makes its layers.
pub fn pull(context: &Context, request: &PullRequest) -> Result<Outcome, Failure> {
    let reference = Reference::parse(&request.reference)?;
    let endpoints = Endpoint::all(request, &reference)?;
    let fetchers = (0..context.limits.at_once()).map(|_| Fetcher::new(&context.limits)).collect::<Result<_, _>>()?;
    let layers = RegistryLayers { context, endpoints, fetchers: Pool::new(fetchers) };
    let resolved = layers.resolve(&reference, request)?;
    let config = layers.config(&resolved)?;
    let mut plan = Plan::new(resolved.digest.clone(), &resolved.manifest, &config)?;
    plan.check(&request.platform, &context.limits)?;
    plan.names.push(request.reference.clone());
    context.store.keep_blob(&config, &plan.config_digest)?;
    context.store.keep_blob(&resolved.bytes, &plan.manifest_digest)?;
    let made = make_layers(context, &plan, &layers)?;
    let images = vec![plan.image(made)];
    Ok(Outcome::Images { images, fetched_bytes: context.report.fetched(), source: Source::Registry })
}

/// Finds out which manifest a reference means now.
pub fn resolve_only(context: &Context, request: &PullRequest) -> Result<Outcome, Failure> {
    let reference = Reference::parse(&request.reference)?;
    let endpoints = Endpoint::all(request, &reference)?;
    let layers = RegistryLayers { context, endpoints, fetchers: Pool::new(vec![Fetcher::new(&context.limits)?]) };
    let manifest_digest = layers.resolve(&reference, request)?.digest;
    Ok(Outcome::Resolved { manifest_digest, fetched_bytes: context.report.fetched(), source: Source::Registry })
}

struct RegistryLayers<'a> {
    context: &'a Context,
    endpoints: Vec<Endpoint>,
    fetchers: Pool<Fetcher>,
}

impl RegistryLayers<'_> {
    fn resolve(&self, reference: &Reference, request: &PullRequest) -> Result<Resolved, Failure> {
        let Context { store, limits, cancel, report } = self.context;
        report.overall(Step::Resolving);
        let stored = |digest: &Digest| stored(store, digest, MAX_MANIFEST);
        let resolved = self.fetchers.with(|fetcher| {
            fetcher.run(cancel, async |client| {
                resolve(client, &self.endpoints, &reference.wanted, &request.platform, (limits.retries, &stored)).await
            })
        })?;
        report.count_fetched(resolved.bytes.len() as u64);
        Ok(resolved)
    }

    fn config(&self, resolved: &Resolved) -> Result<Vec<u8>, Failure> {
        let Context { store, limits, cancel, report } = self.context;
        let digest = &resolved.manifest.config.digest;
        if let Some(bytes) = stored(store, digest, MAX_CONFIG) {
            return Ok(bytes);
        }
        let path = format!("blobs/{digest}");
        let bytes = self.fetchers.with(|fetcher| {
            fetcher.run(cancel, async |client| {
                document(client, &self.endpoints, &path, (Some(digest), MAX_CONFIG), limits.retries).await
            })
        })?;
        report.count_fetched(bytes.len() as u64);
        Ok(bytes)
    }

    fn fetch(&self, layer: &LayerPlan, report: &LayerReport, growing: &Growing, hasher: Hasher) -> Result<(), Failure> {
        let Context { store, limits, cancel, .. } = self.context;
        let LayerPlan { digest, size, .. } = layer;
        let was_resumed = growing.written() > 0;
        let fetched = self.fetchers.with(|fetcher| {
            fetcher.run(cancel, async |client| {
                let fetch = BlobFetch { client, growing, hasher, digest, size: *size, report, was_resumed };
                fetch.run(&self.endpoints, limits.retries).await
            })
        });
        growing.end(fetched.clone());
        fetched?;
        store.publish_blob(&store.partial(digest), growing.file(), digest)
    }

    /// Fetches on one thread and unpacks on the other.
    fn fetch_and_unpack(
        &self,
        layer: &LayerPlan,
        report: &LayerReport,
        file: File,
        consume: Consume,
    ) -> Result<Unpacked, Failure> {
        let Context { store, cancel, .. } = self.context;
        let mut hasher = Hasher::default();
        let growing = Arc::new(Growing::resume(file, layer.size, &mut hasher)?);
        // Weakly: the file is locked until the last holder is gone.
        let given_up = Arc::downgrade(&growing);
        cancel.on_give_up(move || {
            if let Some(growing) = given_up.upgrade() {
                growing.end(Err(Failure::cancelled()));
            }
        });
        let (fetched, unpacked) = std::thread::scope(|scope| {
            let fetching = scope.spawn(|| self.fetch(layer, report, &growing, hasher));
            let unpacked = unpack_growing(&growing, consume);
            if let Err(failure) = &unpacked {
                cancel.give_up(failure.code);
            }
            let panicked = |_| Err(Failure::new(Code::Io, "a thread panicked; see standard error"));
            (fetching.join().unwrap_or_else(panicked), unpacked)
        });
        let result = match (fetched, unpacked) {
            (Err(failure), Ok(_)) => Err(failure),
            (Err(failure), Err(_)) if failure.code != Code::Cancelled => Err(failure),
            (_, unpacked) => unpacked,
        };
        if let Err(failure) = &result {
            // What another layer gave up for want of room would keep that room.
            let is_out_of_room = failure.code == Code::StorageFull || cancel.cause() == Some(Code::StorageFull);
            if is_out_of_room || failure.code == Code::DigestMismatch || growing.written() == 0 {
                drop_file(&store.partial(&layer.digest));
            }
        }
        result
    }

    /// Unpacks a blob that is in the store. None when it is not there, or not what it should be, and gone.
    fn unpack_stored(&self, layer: &LayerPlan, consume: Consume) -> Result<Option<Unpacked>, Failure> {
        let path = self.context.store.blob(&layer.digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.or_fail(path.display())?,
        };
        let mut packed = HashingReader::new(&file);
        let unpacked = consume(&mut packed);
        if let Err(failure) = &unpacked {
            if failure.code != Code::BadImage {
                return unpacked.map(Some);
            }
        }
        io::copy(&mut packed, &mut io::sink()).or_fail(path.display())?;
        match packed.digest() == layer.digest {
            true => unpacked.map(Some),
            false => {
                eprintln!("viv-image: {} is not what its name says; it is fetched again", path.display());
                drop_file(&path);
                Ok(None)
            }
        }
    }
}

impl Layers for RegistryLayers<'_> {
    fn with_packed(&self, layer: &LayerPlan, report: &LayerReport, consume: Consume) -> Result<Unpacked, Failure> {
        let Context { store, cancel, .. } = self.context;
        if let Some(unpacked) = self.unpack_stored(layer, consume)? {
            return Ok(unpacked);
        }
        let partial = store.partial(&layer.digest);
        let file = lock_file(&partial, cancel, &mut || report.at(Step::Waiting, 0))?;
        // Whoever held the lock may have published the blob.
        if store.blob(&layer.digest).exists() {
            drop_file(&partial);
            drop(file);
            if let Some(unpacked) = self.unpack_stored(layer, consume)? {
                return Ok(unpacked);
            }
            return self.with_packed(layer, report, consume);
        }
        self.fetch_and_unpack(layer, report, file, consume)
    }
}

/// Unpacks while the blob grows; again when what came first was thrown away.
fn unpack_growing(growing: &Arc<Growing>, consume: Consume) -> Result<Unpacked, Failure> {
    loop {
        let mut reader = growing.reader();
        let unpacked = consume(&mut reader);
        if let Err(failure) = &unpacked {
            // Whatever comes, this does not change.
            if failure.code != Code::BadImage {
                return unpacked;
            }
        }
        match growing.settled(reader.generation()) {
            Settled::Replaced => continue,
            Settled::Ended(Ok(())) => return unpacked,
            Settled::Ended(Err(failure)) => return Err(failure),
        }
    }
}

/// A small blob that is in the store and is what its name says.
fn stored(store: &Store, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(store.blob(digest)).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    (Digest::of(&bytes) == *digest).then_some(bytes)
}
