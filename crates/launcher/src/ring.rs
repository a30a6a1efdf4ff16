//! A bounded log: at its limit the file is renamed to `.1` (replacing it) and begun anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub struct Ring {
    path: PathBuf,
    limit: u64,
    /// Open file and its size; opened again after an error.
    current: Option<(File, u64)>,
}

impl Ring {
    pub fn new(path: impl Into<PathBuf>, limit: u64) -> Ring {
        Ring { path: path.into(), limit, current: None }
    }

    /// Appends. What an error keeps from the disk is lost; the next write tries anew.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut file, size) = match self.current.take() {
                Some(current) => current,
                None => self.open()?,
            };
            let room = usize::try_from(self.limit.saturating_sub(size)).unwrap_or(usize::MAX);
            if room == 0 {
                fs::rename(&self.path, self.path.with_extension("log.1"))?;
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            file.write_all(now)?;
            self.current = Some((file, size + now.len() as u64));
            rest = later;
        }
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}
