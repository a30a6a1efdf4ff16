//! The OCI runtime, libcontainer, out of harm's way. It clones processes with the bare system call, which must not happen in a
//! process with threads (another thread may hold the allocator's lock at that moment, for ever). So:
//!
//! * the zygote is forked from the agent before any thread exists, and never starts one;
//! * for each job it forks a worker, single-threaded like itself, that calls libcontainer, answers and ends;
//! * jobs thus run side by side, and what breaks one leaves the agent and the others alone.

pub mod client;
pub mod executor;
pub mod fdsocket;
pub mod job;
pub mod namespaces;
pub mod release;
pub mod trace;
pub mod worker;
pub mod zygote;
