//! What a layer may cost, counted as it is unpacked.

use crate::failure::{Code, Failure};
use crate::request::Limits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// From this size on an archive that was packed far better than files are is taken for a bomb.
const RATIO_FROM: u64 = 1 << 30;

/// Deflate reaches 1032, text 5 to 20, and images with a large file of zeros in them stay below this as a whole.
const RATIO: u64 = 250;

/// What headers of one file may cost on top of its content.
const HEADERS_PER_FILE: u64 = 4096;

/// Bytes of an image's files over all its layers.
#[derive(Clone)]
pub struct ImageBudget {
    used: Arc<AtomicU64>,
    limits: Limits,
}

impl ImageBudget {
    pub fn new(limits: &Limits) -> ImageBudget {
        ImageBudget { used: Arc::default(), limits: limits.clone() }
    }

    pub fn layer(&self) -> Budget {
        Budget { image: self.clone(), bytes: 0, files: 0, is_spent: false }
    }

    pub fn add(&self, bytes: u64) -> Result<(), Failure> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        limit("the image's files", before.saturating_add(bytes), self.limits.image_bytes, "bytes")
    }

    /// Looks at how much has come out of how much: the archive itself may be the bomb.
    pub fn check_stream(&self, packed: u64, unpacked: u64) -> Result<(), Failure> {
        let Limits { layer_bytes, files, .. } = self.limits;
        let most = layer_bytes.saturating_add(files.saturating_mul(HEADERS_PER_FILE));
        limit("the layer's archive", unpacked, most, "bytes")?;
        if unpacked > RATIO_FROM && unpacked / RATIO > packed {
            return Err(Failure::bad_image(format_args!("a bomb: {packed} bytes became {unpacked}")));
        }
        Ok(())
    }
}

pub struct Budget {
    image: ImageBudget,
    bytes: u64,
    files: u64,
    is_spent: bool,
}

impl Budget {
    /// Counts a file before it is made.
    pub fn add_file(&mut self, bytes: u64) -> Result<(), Failure> {
        self.files += 1;
        limit("the layer", self.files, self.image.limits.files, "files")?;
        self.bytes = self.bytes.saturating_add(bytes);
        limit("the layer's files", self.bytes, self.image.limits.layer_bytes, "bytes")?;
        self.image.add(bytes)
    }

    /// The layer is complete; returns the bytes of its files. Without this its bytes are given back to the image.
    pub fn spend(mut self) -> u64 {
        self.is_spent = true;
        self.bytes
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if !self.is_spent {
            self.image.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

fn limit(what: &str, used: u64, most: u64, unit: &str) -> Result<(), Failure> {
    match used > most {
        true => Err(Failure::new(Code::TooLarge, format_args!("{what} would have more than {most} {unit}"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_too_well_is_a_bomb() {
        let budget = ImageBudget::new(&Limits::default());
        assert_eq!(budget.check_stream(3 << 20, 3 << 30).expect_err("bomb").code, Code::BadImage);
        budget.check_stream(100 << 20, 3 << 30).expect("well packed");
        budget.check_stream(1 << 10, 1 << 30).expect("a large file of zeros");
    }

    #[test]
    fn a_layer_that_failed_costs_its_image_nothing() {
        let limits: Limits = serde_json::from_str(r#"{"image_bytes":10}"#).expect("limits");
        let image = ImageBudget::new(&limits);
        image.layer().add_file(9).expect("fits");
        let mut layer = image.layer();
        layer.add_file(9).expect("fits again");
        assert_eq!(layer.spend(), 9);
        assert_eq!(image.layer().add_file(2).expect_err("full").code, Code::TooLarge);
    }
}
