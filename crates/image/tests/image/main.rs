//! Tests of the real program with real files and sockets.

mod auth;
mod faults;
mod import;
mod pull;
mod storage;
mod support;
