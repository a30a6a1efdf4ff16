//! The documents of an image: OCI image-spec 1.1 (manifest.md, image-index.md, config.md) and Docker's schema 2, which has the same
//! shape.

use crate::digest::Digest;
use crate::failure::{Code, Failure};
use crate::platform::Platform;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Registries refuse larger ones (distribution-spec, "Pushing Manifests").
pub const MAX_MANIFEST: u64 = 4 << 20;
pub const MAX_CONFIG: u64 = 8 << 20;

pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// What a registry is asked for.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const ATTESTATION: &str = "vnd.docker.reference.type";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    platform: Option<Offered>,
    #[serde(default)]
    pub annotations: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Offered {
    os: String,
    architecture: String,
    variant: String,
}

impl Descriptor {
    pub fn platform(&self) -> Option<Platform> {
        let Offered { os, architecture, variant } = self.platform.clone()?;
        Some(Platform { os, architecture, variant })
    }

    /// True of what accompanies an image and is none, such as a provenance statement.
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key(ATTESTATION)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

#[derive(Debug)]
pub enum Document {
    Manifest(Manifest),
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Either {
    schema_version: Option<u32>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Tells a manifest from an index by what is in it. What could be either is refused: who checked it may have read the other.
    pub fn parse(bytes: &[u8]) -> Result<Document, Failure> {
        let parsed = serde_json::from_slice(bytes).map_err(|error| Failure::bad_image(format_args!("the manifest: {error}")))?;
        match parsed {
            Either { schema_version: Some(1), .. } => Err(Failure::bad_image("manifests of schema 1 are too old")),
            Either { config: Some(config), layers: Some(layers), manifests: None, .. } => {
                Ok(Document::Manifest(Manifest { config, layers }))
            }
            Either { config: None, layers: None, manifests: Some(manifests), .. } => Ok(Document::Index(manifests)),
            _ => Err(Failure::bad_image("the manifest is neither one of an image nor an index")),
        }
    }
}

/// The manifest of an index for a platform.
pub fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, Failure> {
    let images = || manifests.iter().filter(|one| !one.is_attestation());
    let fitting = images().filter_map(|one| one.platform().and_then(|offer| wanted.fits(&offer)).map(|fit| (fit, one)));
    // The first of those that fit best.
    if let Some((_, best)) = fitting.min_by_key(|(fit, _)| *fit) {
        return Ok(best);
    }
    let offers: Vec<String> = images().filter_map(Descriptor::platform).map(|offer| offer.to_string()).collect();
    Err(wrong_platform(wanted, &offers.join(", ")))
}

pub fn wrong_platform(wanted: &Platform, offers: &str) -> Failure {
    let offers = if offers.is_empty() { "nothing" } else { offers };
    Failure::new(Code::WrongPlatform, format_args!("there is no image for {wanted}; there is {offers}"))
}

/// The part of an image's configuration that is looked at here.
#[derive(Debug, Deserialize)]
pub struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    pub rootfs: RootFs,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(default, rename = "type")]
    pub kind: String,
    pub diff_ids: Vec<Digest>,
}

impl Config {
    pub fn parse(bytes: &[u8]) -> Result<Config, Failure> {
        serde_json::from_slice(bytes).map_err(|error| Failure::bad_image(format_args!("the configuration: {error}")))
    }

    /// Fails with `wrong_platform` where the configuration names another one. Old images name none.
    pub fn check_platform(&self, wanted: &Platform) -> Result<(), Failure> {
        let Config { os, architecture, variant, .. } = self;
        if os.is_empty() || architecture.is_empty() {
            return Ok(());
        }
        let offer = Platform { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() };
        // An index may be right about a variant of which the configuration says nothing.
        let fits = wanted.fits(&offer).is_some()
            || (variant.is_empty() && offer.os == wanted.os && offer.architecture == wanted.architecture);
        if fits {
            Ok(())
        } else {
            Err(wrong_platform(wanted, &offer.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[(&str, &str, &str)]) -> Vec<Descriptor> {
        let manifests = platforms.iter().enumerate().map(|(at, (os, architecture, variant))| {
            serde_json::json!({
                "digest": Digest::of(&[at as u8]), "size": at,
                "platform": {"os": os, "architecture": architecture, "variant": variant},
            })
        });
        let document = serde_json::json!({"schemaVersion": 2, "manifests": manifests.collect::<Vec<_>>()});
        match Document::parse(document.to_string().as_bytes()) {
            Ok(Document::Index(manifests)) => manifests,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_best_fit_of_an_index_is_chosen() {
        let offers = index(&[("linux", "arm", "v7"), ("windows", "amd64", ""), ("linux", "amd64", "v3"), ("linux", "amd64", "")]);
        assert_eq!(choose(&offers, &Platform::default()).expect("there").size, 3);
    }

    #[test]
    fn what_there_is_instead_is_named() {
        let offers = index(&[("linux", "arm64", "v8"), ("unknown", "unknown", "")]);
        let failure = choose(&offers, &Platform::default()).expect_err("not there");
        assert_eq!(failure.code, Code::WrongPlatform);
        assert!(failure.message.contains("linux/arm64/v8"), "{}", failure.message);
    }

    #[test]
    fn a_document_that_is_both_is_refused() {
        let digest = Digest::of(b"");
        let both = serde_json::json!({"config": {"digest": digest, "size": 0}, "layers": [], "manifests": []});
        for text in [both.to_string(), "{}".into(), "[]".into(), r#"{"schemaVersion":1,"fsLayers":[]}"#.into()] {
            assert_eq!(Document::parse(text.as_bytes()).expect_err("refused").code, Code::BadImage);
        }
    }

    #[test]
    fn a_configuration_for_another_platform_is_told() {
        let config = Config::parse(br#"{"os":"linux","architecture":"s390x","rootfs":{"diff_ids":[]}}"#).expect("parsed");
        assert_eq!(config.check_platform(&Platform::default()).expect_err("other").code, Code::WrongPlatform);
    }
}
