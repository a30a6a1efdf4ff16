//! Platforms: what was asked for, and which of an index's manifests it means.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

impl Default for Platform {
    fn default() -> Platform {
        Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() }
    }
}

impl Platform {
    /// How well an offer fits the wish: 0 exactly, 1 near enough, none not at all. An absent variant means the plain one
    /// (OCI image-spec, image-index.md, "Platform Variants").
    pub fn fits(&self, offer: &Platform) -> Option<u8> {
        if self.os != offer.os || self.architecture != offer.architecture {
            return None;
        }
        match (self.plain_variant(), offer.plain_variant()) {
            (wanted, offered) if wanted == offered => Some(0),
            ("", _) => Some(1),
            _ => None,
        }
    }

    fn plain_variant(&self) -> &str {
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("arm64", "v8") | ("amd64", "v1") => "",
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(formatter, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(os: &str, architecture: &str, variant: &str) -> Platform {
        Platform { os: os.into(), architecture: architecture.into(), variant: variant.into() }
    }

    #[test]
    fn the_plain_variant_may_be_named_or_not() {
        assert_eq!(platform("linux", "arm64", "").fits(&platform("linux", "arm64", "v8")), Some(0));
        assert_eq!(platform("linux", "arm64", "v8").fits(&platform("linux", "arm64", "")), Some(0));
    }

    #[test]
    fn another_variant_fits_only_who_asked_for_none() {
        assert_eq!(platform("linux", "arm", "").fits(&platform("linux", "arm", "v7")), Some(1));
        assert_eq!(platform("linux", "arm", "v6").fits(&platform("linux", "arm", "v7")), None);
    }

    #[test]
    fn another_system_or_architecture_does_not_fit() {
        assert_eq!(Platform::default().fits(&platform("windows", "amd64", "")), None);
        assert_eq!(Platform::default().fits(&platform("linux", "arm64", "")), None);
    }
}
