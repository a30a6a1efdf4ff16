//! One layer: what packs it, its archive, its tree, and the digest of what was in the packing.

use super::budget::ImageBudget;
use super::decode::Decoder;
use super::tree::Tree;
use crate::cancel::Cancel;
use crate::counted::Counted;
use crate::digest::{Digest, Hasher};
use crate::failure::{Failure, OrFail};
use crate::tar::reader::{read_failure, TarReader};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const BUFFER: usize = 128 << 10;

/// What was seen while a layer was unpacked, to be compared with what was promised.
pub struct Unpacked {
    /// Of the archive, as the image's configuration names it.
    pub diff_id: Digest,
    /// Bytes of the files.
    pub bytes: u64,
}

/// What watches over the unpacking of a layer.
pub struct Watch<'a> {
    pub budget: &'a ImageBudget,
    pub cancel: &'a Cancel,
    /// Told of the packed bytes that were read so far.
    pub progress: &'a dyn Fn(u64),
}

/// Unpacks into an empty directory. `packed` is read to its end.
pub fn unpack<R: Read>(packed: &mut R, into: &Path, watch: &Watch) -> Result<Unpacked, Failure> {
    let directory = File::open(into).or_fail(into.display())?;
    let mut tree = Tree::new(directory.into(), watch.budget.layer());
    let decoder = Decoder::new(Counted::new(packed))?;
    let archive = Archive { decoder, hasher: Hasher::default(), count: 0, watch };
    let mut reader = TarReader::new(BufReader::with_capacity(BUFFER, archive));
    while let Some(entry) = reader.next_entry()? {
        tree.add(&entry, &mut reader)?;
    }
    // What follows the end of the archive is part of its digest.
    let mut rest = reader.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(read_failure)?;
    Ok(Unpacked { diff_id: rest.get_ref().hasher.digest(), bytes: tree.finish()? })
}

/// The archive as it comes out of its packing: hashed, and watched for bombs and for the wish to give up.
struct Archive<'a, R: Read> {
    decoder: Decoder<Counted<R>>,
    hasher: Hasher,
    count: u64,
    watch: &'a Watch<'a>,
}

impl<R: Read> Read for Archive<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.cancel.check().map_err(Failure::into_io)?;
        let got = self.decoder.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        self.count += got as u64;
        let packed = self.decoder.packed().count();
        self.watch.budget.check_stream(packed, self.count).map_err(Failure::into_io)?;
        (self.watch.progress)(packed);
        Ok(got)
    }
}
