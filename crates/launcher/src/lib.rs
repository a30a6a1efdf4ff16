//! The parent of what must outlive the daemon. The protocol is docs/protocols/launcher.md.
//!
//! Processes of one launch: the *front* (short-lived, answers on stdout), the *keeper* (stays, reaps the child, serves
//! `control.sock`), the *scribe* (writes to disk for the keeper, so that a dead disk never blocks the reaping) and the *child*.

pub mod binds;
pub mod caps;
pub mod child;
pub mod claim;
pub mod clients;
pub mod console;
pub mod credentials;
pub mod errno;
pub mod failure;
pub mod fds;
pub mod front;
pub mod identity;
pub mod json;
pub mod keeper;
pub mod limits;
pub mod lines;
pub mod monitor;
pub mod mounts;
pub mod namespaces;
pub mod notify;
pub mod record;
pub mod ring;
pub mod scribe;
pub mod serve;
pub mod spec;
pub mod start;
pub mod supervise;
pub mod sys;
pub mod tap;
pub mod trees;
pub mod worker;

/// Version of docs/protocols/launcher.md that this launcher speaks.
pub const PROTOCOL_VERSION: i64 = 1;

/// Version of the requests of `viv-launcher serve`.
pub const SERVE_VERSION: i64 = 1;
