//! Reading tar archives: ustar, GNU and PAX (POSIX.1-2008 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
//!
//! Written for archives of strangers: nothing is kept in memory but one entry's headers, and those are limited.

pub mod entry;
pub mod header;
pub mod pax;
pub mod reader;
pub mod sparse;
