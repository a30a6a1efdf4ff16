//! Tests of the real program with real files and sockets.

mod import;
mod pull;
mod support;
