//! What is to be done for one image: its layers with all their names.

use crate::digest::{chain_ids, Digest};
use crate::failure::{Code, Failure};
use crate::oci::{Config, Manifest};
use crate::platform::Platform;
use crate::report::{Image, Layer};
use crate::request::Limits;
use serde_json::Value;

pub struct Plan {
    pub names: Vec<String>,
    pub manifest_digest: Digest,
    pub config_digest: Digest,
    pub config: Value,
    pub layers: Vec<LayerPlan>,
}

#[derive(Clone, Debug)]
pub struct LayerPlan {
    pub diff_id: Digest,
    pub chain_id: Digest,
    /// Of the packed bytes, as the manifest has it.
    pub digest: Digest,
    pub size: u64,
}

impl Plan {
    /// `config` is verified already.
    pub fn new(manifest_digest: Digest, manifest: &Manifest, config: &[u8]) -> Result<Plan, Failure> {
        let diff_ids = Config::parse(config)?.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (told, named) = (manifest.layers.len(), diff_ids.len());
            return Err(Failure::bad_image(format_args!("the manifest has {told} layers, the configuration {named}")));
        }
        let chain = chain_ids(&diff_ids);
        let layers = manifest.layers.iter().zip(diff_ids).zip(chain).map(|((layer, diff_id), chain_id)| LayerPlan {
            diff_id,
            chain_id,
            digest: layer.digest.clone(),
            size: layer.size,
        });
        Ok(Plan {
            names: Vec::new(),
            manifest_digest,
            config_digest: manifest.config.digest.clone(),
            config: serde_json::from_slice(config).map_err(Failure::bad_image)?,
            layers: layers.collect(),
        })
    }

    /// Looks at all that can be known before anything is fetched.
    pub fn check(&self, platform: &Platform, limits: &Limits) -> Result<(), Failure> {
        Config::parse(self.config.to_string().as_bytes())?.check_platform(platform)?;
        let count = self.layers.len();
        if count > limits.layers {
            return Err(Failure::new(Code::TooLarge, format_args!("the image has {count} layers; {} may be", limits.layers)));
        }
        match self.layers.iter().find(|layer| layer.size > limits.layer_bytes) {
            Some(LayerPlan { digest, size, .. }) => {
                let message = format!("the layer is packed {size} bytes; {} may be unpacked", limits.layer_bytes);
                Err(Failure::new(Code::TooLarge, message).of_layer(digest))
            }
            None => Ok(()),
        }
    }

    pub fn image(self, layers: Vec<Layer>) -> Image {
        let Plan { names, manifest_digest, config_digest, config, .. } = self;
        Image { names, manifest_digest, config_digest, config, layers }
    }
}
