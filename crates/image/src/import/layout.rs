//! OCI layouts (OCI image-spec, image-layout.md).

use super::files::{missing, Files};
use crate::failure::{Code, Failure};
use crate::layers::{Consume, Context, Layers};
use crate::oci::{choose, Descriptor, Document, MAX_CONFIG, MAX_MANIFEST};
use crate::plan::{LayerPlan, Plan};
use crate::platform::Platform;
use crate::report::LayerReport;
use crate::unpack::layer::Unpacked;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Where docker and containerd keep the full name; the other is a tag alone with them.
const FULL_NAME: &str = "io.containerd.image.name";

/// An index that names an index that names an index… ends here.
const MAX_DEPTH: usize = 4;

/// The images of a layout for a platform, named as it names them.
pub fn plans(context: &Context, files: &Files, platform: &Platform) -> Result<Vec<Plan>, Failure> {
    let index = files.read("index.json", MAX_MANIFEST)?.ok_or_else(|| missing("index.json"))?;
    let Document::Index(manifests) = Document::parse(&index)? else {
        return Err(Failure::bad_image("index.json is no index"));
    };
    let mut plans: Vec<Plan> = Vec::new();
    let mut misfit = None;
    for (name, descriptor) in images(&manifests, platform)? {
        match plan(context, files, descriptor, platform) {
            Ok(mut plan) => {
                plan.names.extend(name);
                plans.push(plan);
            }
            Err(failure) if failure.code == Code::WrongPlatform => misfit = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    match misfit {
        Some(failure) if plans.is_empty() => Err(failure),
        _ if plans.is_empty() => Err(Failure::bad_image("the layout has no image")),
        _ => Ok(join(plans)),
    }
}

/// Each name once; manifests of one name (or of none) are one image for several platforms.
fn images<'a>(manifests: &'a [Descriptor], platform: &Platform) -> Result<Vec<(Option<String>, &'a Descriptor)>, Failure> {
    let mut groups: Vec<(Option<String>, Vec<Descriptor>)> = Vec::new();
    for descriptor in manifests.iter().filter(|one| !one.is_attestation()) {
        let name = descriptor.annotations.get(FULL_NAME).or_else(|| descriptor.annotations.get(REF_NAME)).cloned();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(descriptor.clone()),
            None => groups.push((name, vec![descriptor.clone()])),
        }
    }
    let find = |digest| manifests.iter().find(|one| one.digest == digest);
    let mut images = Vec::new();
    for (name, group) in groups {
        let chosen = match group.as_slice() {
            [only] => only,
            several => choose(several, platform)?,
        };
        images.extend(find(chosen.digest.clone()).map(|descriptor| (name, descriptor)));
    }
    Ok(images)
}

fn plan(context: &Context, files: &Files, descriptor: &Descriptor, platform: &Platform) -> Result<Plan, Failure> {
    let mut descriptor = descriptor.clone();
    for _ in 0..MAX_DEPTH {
        let bytes = files.read_blob(&descriptor.digest, MAX_MANIFEST)?;
        match Document::parse(&bytes)? {
            Document::Index(manifests) => descriptor = choose(&manifests, platform)?.clone(),
            Document::Manifest(manifest) => {
                let config = files.read_blob(&manifest.config.digest, MAX_CONFIG)?;
                let plan = Plan::new(descriptor.digest.clone(), &manifest, &config)?;
                plan.check(platform, &context.limits)?;
                context.store.keep_blob(&config, &plan.config_digest)?;
                context.store.keep_blob(&bytes, &plan.manifest_digest)?;
                return Ok(plan);
            }
        }
    }
    Err(Failure::bad_image("too many indexes one in the other"))
}

/// One image may have several names.
fn join(plans: Vec<Plan>) -> Vec<Plan> {
    let mut joined: Vec<Plan> = Vec::new();
    for plan in plans {
        match joined.iter_mut().find(|known| known.manifest_digest == plan.manifest_digest) {
            Some(known) => known.names.extend(plan.names),
            None => joined.push(plan),
        }
    }
    joined
}

/// Layers as blobs of the layout.
pub struct LayoutLayers {
    pub files: Files,
}

impl Layers for LayoutLayers {
    fn with_packed(&self, layer: &LayerPlan, _: &LayerReport, consume: Consume) -> Result<Unpacked, Failure> {
        let mut packed = self.files.open_blob(&layer.digest)?;
        let unpacked = consume(&mut packed)?;
        layer.digest.check("the layer", &packed.digest())?;
        match packed.count() == layer.size {
            true => Ok(unpacked),
            false => Err(Failure::new(Code::DigestMismatch, format_args!("the layer has {} bytes", packed.count()))),
        }
    }
}
