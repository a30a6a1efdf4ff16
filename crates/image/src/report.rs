//! The lines on standard output: progress, then one result or error.

use crate::cancel::Cancel;
use crate::digest::Digest;
use crate::failure::{Code, Failure};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most ten lines a second for each layer.
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Resolving,
    Waiting,
    Fetching,
    Unpacking,
    Done,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Registry,
    OciLayout,
    DockerArchive,
    Directory,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum Outcome {
    Images { images: Vec<Image>, fetched_bytes: u64, source: Source },
    Resolved { manifest_digest: Digest, fetched_bytes: u64, source: Source },
}

#[derive(Serialize)]
pub struct Image {
    pub names: Vec<String>,
    pub manifest_digest: Digest,
    pub config_digest: Digest,
    pub config: Value,
    pub layers: Vec<Layer>,
}

#[derive(Clone, Serialize)]
pub struct Layer {
    pub diff_id: Digest,
    pub chain_id: Digest,
    pub digest: Digest,
    /// Bytes as stored or fetched.
    pub size: u64,
    /// Bytes of the files.
    pub unpacked: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Progress {
        layer: &'a str,
        step: Step,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    Result(&'a Outcome),
    Error(&'a Failure),
}

/// Where the lines go. Nobody left to read them is the wish to give up.
#[derive(Clone)]
pub struct Report {
    output: Arc<Mutex<Box<dyn Write + Send>>>,
    cancel: Cancel,
    fetched: Arc<AtomicU64>,
}

impl Report {
    pub fn new(output: Box<dyn Write + Send>, cancel: Cancel) -> Report {
        Report { output: Arc::new(Mutex::new(output)), cancel, fetched: Arc::default() }
    }

    pub fn overall(&self, step: Step) {
        self.write(&Line::Progress { layer: "", step, done: None, total: None });
    }

    pub fn layer(&self, digest: impl Display, total: u64) -> LayerReport {
        let digest = digest.to_string();
        LayerReport { report: self.clone(), digest, total, last: Mutex::new(None), is_fetching: AtomicBool::new(false) }
    }

    pub fn count_fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// The last line.
    pub fn end(&self, outcome: &Result<Outcome, Failure>) {
        match outcome {
            Ok(outcome) => self.write(&Line::Result(outcome)),
            Err(failure) => self.write(&Line::Error(failure)),
        }
    }

    fn write(&self, line: &Line) {
        let mut text = match serde_json::to_vec(line) {
            Ok(text) => text,
            Err(error) => return eprintln!("viv-image: a line can't be written as JSON: {error}"),
        };
        text.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let written = output.write_all(&text).and_then(|()| output.flush());
        drop(output);
        if written.is_err() {
            self.cancel.give_up(Code::Cancelled);
        }
    }
}

/// The progress of one layer.
pub struct LayerReport {
    report: Report,
    digest: String,
    total: u64,
    last: Mutex<Option<(Step, Instant)>>,
    /// A layer is unpacked while it is fetched; until all of it is here the fetching is what is told.
    is_fetching: AtomicBool,
}

impl LayerReport {
    pub fn fetched(&self, done: u64, more: u64) {
        self.report.count_fetched(more);
        self.is_fetching.store(done < self.total, Ordering::Relaxed);
        self.at(Step::Fetching, done);
    }

    pub fn unpacked(&self, done: u64) {
        if !self.is_fetching.load(Ordering::Relaxed) {
            self.at(Step::Unpacking, done);
        }
    }

    /// Tells of a new step at once, of progress within one now and then.
    pub fn at(&self, step: Step, done: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = match *last {
            Some((before, when)) => before != step || now.duration_since(when) >= INTERVAL,
            None => true,
        };
        if due {
            *last = Some((step, now));
            drop(last);
            self.report.write(&Line::Progress { layer: &self.digest, step, done: Some(done), total: Some(self.total) });
        }
    }

    pub fn finished(&self, step: Step) {
        self.at(step, self.total);
    }
}
