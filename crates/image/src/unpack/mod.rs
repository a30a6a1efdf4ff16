//! Unpacks layers: an archive's entries become files beneath one directory, whatever the archive says.

pub mod attributes;
pub mod budget;
pub mod decode;
pub mod layer;
pub mod name;
pub mod root;
pub mod tree;

#[cfg(test)]
mod tests;
