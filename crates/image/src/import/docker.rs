//! Docker archives, as `docker save` writes them: manifest.json names a configuration and the layers' files.

use super::files::{missing, Files};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::layers::{Consume, Context, Layers};
use crate::oci::{Config, Document, CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, MAX_CONFIG, MAX_MANIFEST};
use crate::plan::{LayerPlan, Plan};
use crate::platform::Platform;
use crate::report::LayerReport;
use crate::unpack::layer::Unpacked;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Layers by the diff ids that the configurations give them.
pub struct DockerLayers {
    files: Files,
    names: HashMap<Digest, String>,
}

/// True of what has a manifest.json that reads like one: a root file system may have a file of that name.
pub fn is_docker_archive(files: &Files) -> Result<bool, Failure> {
    let bytes = files.read("manifest.json", MAX_MANIFEST)?;
    Ok(bytes.is_some_and(|bytes| serde_json::from_slice::<Vec<Saved>>(&bytes).is_ok()))
}

/// The images of the archive. They get the manifest that it lacks, in which layers have no packing.
pub fn plans(context: &Context, files: Files, platform: &Platform) -> Result<(Vec<Plan>, DockerLayers), Failure> {
    let bytes = files.read("manifest.json", MAX_MANIFEST)?.ok_or_else(|| missing("manifest.json"))?;
    let saved: Vec<Saved> = serde_json::from_slice(&bytes).map_err(Failure::bad_image)?;
    let mut names = HashMap::new();
    let mut plans = Vec::new();
    for image in saved {
        let config = files.read(&image.config, MAX_CONFIG)?.ok_or_else(|| missing(&image.config))?;
        let diff_ids = Config::parse(&config)?.rootfs.diff_ids;
        let mut layers = Vec::new();
        for (diff_id, name) in diff_ids.iter().zip(&image.layers) {
            let size = files.open(name)?.ok_or_else(|| missing(name))?.size;
            layers.push(json!({"mediaType": LAYER_TYPE, "digest": diff_id, "size": size}));
            names.insert(diff_id.clone(), name.clone());
        }
        if diff_ids.len() != image.layers.len() {
            return Err(Failure::bad_image(format_args!("{} names other layers than manifest.json", image.config)));
        }
        let mut plan = plan_of(context, layers, &config)?;
        plan.names = image.repo_tags.unwrap_or_default();
        plan.check(platform, &context.limits)?;
        plans.push(plan);
    }
    match plans.is_empty() {
        true => Err(Failure::bad_image("the archive has no image")),
        false => Ok((plans, DockerLayers { files, names })),
    }
}

/// Makes and keeps a manifest for layers and a configuration that came without.
pub fn plan_of(context: &Context, layers: Vec<serde_json::Value>, config: &[u8]) -> Result<Plan, Failure> {
    let config_digest = Digest::of(config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": config.len()},
        "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let Document::Manifest(manifest) = Document::parse(&bytes)? else {
        return Err(Failure::bad_image("no manifest could be made"));
    };
    let plan = Plan::new(Digest::of(&bytes), &manifest, config)?;
    context.store.keep_blob(config, &plan.config_digest)?;
    context.store.keep_blob(&bytes, &plan.manifest_digest)?;
    Ok(plan)
}

impl Layers for DockerLayers {
    /// What the configuration promises is verified by who unpacks; the archive promises nothing.
    fn with_packed(&self, layer: &LayerPlan, _: &LayerReport, consume: Consume) -> Result<Unpacked, Failure> {
        let name = self.names.get(&layer.diff_id).ok_or_else(|| missing("a layer"))?;
        let mut opened = self.files.open(name)?.ok_or_else(|| missing(name))?;
        consume(&mut opened.content)
    }
}
