//! What an archive says of one entry, all extensions applied.

use crate::failure::Failure;

/// The size of a block: headers are one, data is padded to whole ones.
pub const BLOCK: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Where the parts of a sparse file's data belong: (offset, length), ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseMap {
    /// Bytes of the whole file.
    pub size: u64,
    pub parts: Vec<(u64, u64)>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: Kind,
    pub name: Vec<u8>,
    /// The target of a link, else empty.
    pub link: Vec<u8>,
    /// Permissions with set-uid, set-gid and sticky bit.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    pub device: (u32, u32),
    /// Bytes of data that follow.
    pub data: u64,
    pub sparse: Option<SparseMap>,
    /// Extended attributes, in the archive's order.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Bytes of the file that the entry makes.
    pub fn file_size(&self) -> u64 {
        self.sparse.as_ref().map_or(self.data, |map| map.size)
    }
}

/// A name as it may be shown.
pub fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string().chars().take(300).collect()
}

pub fn bad_archive(message: impl std::fmt::Display) -> Failure {
    Failure::bad_image(format_args!("the layer's archive is broken: {message}"))
}
