//! Makes the layers of an image: each once, several at a time, whoever else wants the same.

use crate::cancel::Cancel;
use crate::failure::{Code, Failure};
use crate::lock::lock_file;
use crate::plan::{LayerPlan, Plan};
use crate::pool::Pool;
use crate::report::{Layer, LayerReport, Report, Step};
use crate::request::Limits;
use crate::store::{drop_file, Store, WorkDir};
use crate::unpack::budget::ImageBudget;
use crate::unpack::layer::{unpack, Unpacked, Watch};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What all work of a request shares.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    pub limits: Limits,
    pub cancel: Cancel,
    pub report: Report,
}

/// Unpacks packed bytes. Called again from the start when those that came first turned out to be wrong.
pub type Consume<'a> = &'a mut dyn FnMut(&mut dyn Read) -> Result<Unpacked, Failure>;

/// Where layers come from.
pub trait Layers: Sync {
    /// Gives the layer's packed bytes to `consume` and verifies them.
    fn with_packed(&self, layer: &LayerPlan, report: &LayerReport, consume: Consume) -> Result<Unpacked, Failure>;
}

/// Makes what is missing of an image's layers. The first failure ends the work on the others.
pub fn make_layers(context: &Context, plan: &Plan, source: &dyn Layers) -> Result<Vec<Layer>, Failure> {
    let unpacking = Pool::new(vec![(); processors()]);
    let budget = ImageBudget::new(&context.limits);
    let make = |layer| {
        let made = Making { context, layer, source, budget: &budget, unpacking: &unpacking }.run();
        if let Err(failure) = &made {
            context.cancel.give_up(failure.code);
        }
        made.map_err(|failure| failure.of_layer(&layer.digest))
    };
    let made: Vec<Result<Layer, Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> = plan.layers.iter().map(|layer| scope.spawn(move || make(layer))).collect();
        let panicked = |_| Err(Failure::new(Code::Io, "a thread panicked; see standard error"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    });
    // What was given up because of a failure is not the cause.
    if let Some(Err(cause)) = made.iter().find(|made| matches!(made, Err(failure) if failure.code != Code::Cancelled)) {
        return Err(cause.clone());
    }
    made.into_iter().collect()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

struct Making<'a> {
    context: &'a Context,
    layer: &'a LayerPlan,
    source: &'a dyn Layers,
    budget: &'a ImageBudget,
    unpacking: &'a Pool<()>,
}

impl Making<'_> {
    fn run(&self) -> Result<Layer, Failure> {
        let Context { store, cancel, report, .. } = self.context;
        let LayerPlan { chain_id, diff_id, digest, size } = self.layer;
        let report = report.layer(digest, *size);
        if let Some(unpacked) = self.found(&report)? {
            return Ok(self.told(unpacked));
        }
        let _lock = LayerLock::take(store.work(&format!("{}.lock", chain_id.hex())), cancel, &report)?;
        if let Some(unpacked) = self.found(&report)? {
            return Ok(self.told(unpacked));
        }
        cancel.check()?;
        let work = WorkDir::at(store.work(chain_id.hex()));
        let unpacked = self.source.with_packed(self.layer, &report, &mut |packed| {
            let progress = |done| report.unpacked(done);
            let watch = Watch { budget: self.budget, cancel, progress: &progress };
            self.unpacking.with(|()| {
                work.begin()?;
                unpack(&mut { packed }, &work.fs(), &watch)
            })
        })?;
        diff_id.check("the layer's archive", &unpacked.diff_id)?;
        cancel.check()?;
        store.publish_layer(work.path(), unpacked.bytes, chain_id)?;
        report.finished(Step::Done);
        Ok(self.told(unpacked.bytes))
    }

    fn found(&self, report: &LayerReport) -> Result<Option<u64>, Failure> {
        let found = self.context.store.layer_size(&self.layer.chain_id)?;
        if let Some(bytes) = found {
            self.budget.add(bytes)?;
            report.finished(Step::Exists);
        }
        Ok(found)
    }

    fn told(&self, unpacked: u64) -> Layer {
        let LayerPlan { diff_id, chain_id, digest, size } = self.layer.clone();
        Layer { diff_id, chain_id, digest, size, unpacked }
    }
}

/// The right to make a layer. Its file goes before it is unlocked, so that none of it stays.
pub struct LayerLock {
    path: PathBuf,
    _file: File,
}

impl LayerLock {
    pub fn take(path: PathBuf, cancel: &Cancel, report: &LayerReport) -> Result<LayerLock, Failure> {
        let file = lock_file(&path, cancel, &mut || report.at(Step::Waiting, 0))?;
        Ok(LayerLock { path, _file: file })
    }
}

impl Drop for LayerLock {
    fn drop(&mut self) {
        drop_file(&self.path);
    }
}
