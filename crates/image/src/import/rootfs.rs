//! A root file system as an image of one layer.

use super::docker::plan_of;
use crate::counted::Counted;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::layers::{Context, LayerLock};
use crate::oci::LAYER_TYPE;
use crate::plan::Plan;
use crate::platform::Platform;
use crate::report::{Image, Layer, LayerReport, Step};
use crate::store::WorkDir;
use crate::unpack::budget::ImageBudget;
use crate::unpack::layer::{unpack, Unpacked, Watch};
use serde_json::json;
use std::io::Read;

/// Unpacks an archive of which nothing is known before. Its packing, if any, is gone in the image that it becomes.
pub fn import(context: &Context, mut archive: impl Read, platform: &Platform) -> Result<Image, Failure> {
    let Context { store, cancel, report, limits } = context;
    let budget = ImageBudget::new(limits);
    // Its digest is known when it is done.
    let report = report.layer("", 0);
    // Nobody else makes a directory of this name: the process is alive.
    let work = WorkDir::at(store.work(&format!("import-{}", std::process::id())));
    work.begin()?;
    let mut counted = Counted::new(&mut archive);
    let progress = |done| report.at(Step::Unpacking, done);
    let unpacked = unpack(&mut counted, &work.fs(), &Watch { budget: &budget, cancel, progress: &progress })?;
    let size = counted.count();
    let bytes = publish(context, &work, &unpacked, &report)?;
    let diff_id = unpacked.diff_id;
    let layer = Layer { diff_id: diff_id.clone(), chain_id: diff_id.clone(), digest: diff_id.clone(), size, unpacked: bytes };
    Ok(plan(context, &diff_id, size, platform)?.image(vec![layer]))
}

fn publish(context: &Context, work: &WorkDir, unpacked: &Unpacked, report: &LayerReport) -> Result<u64, Failure> {
    let Context { store, cancel, .. } = context;
    let chain_id = &unpacked.diff_id;
    let _lock = LayerLock::take(store.work(&format!("{}.lock", chain_id.hex())), cancel, report)?;
    if let Some(bytes) = store.layer_size(chain_id)? {
        report.at(Step::Exists, 0);
        return Ok(bytes);
    }
    cancel.check()?;
    store.publish_layer(work.path(), unpacked.bytes, chain_id)?;
    report.at(Step::Done, 0);
    Ok(unpacked.bytes)
}

/// The same files give the same image: nothing of time or place goes into its configuration.
fn plan(context: &Context, diff_id: &Digest, size: u64, platform: &Platform) -> Result<Plan, Failure> {
    let mut config = json!({
        "os": platform.os,
        "architecture": platform.architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    });
    if !platform.variant.is_empty() {
        config["variant"] = json!(platform.variant);
    }
    let layer = json!({"mediaType": LAYER_TYPE, "digest": diff_id, "size": size});
    plan_of(context, vec![layer], config.to_string().as_bytes())
}
