//! Generates the message types from `proto/` (protox compiles the files, so no protoc has to be installed), and makes the linker
//! take the static libseccomp.

use std::error::Error;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const FILES: [&str; 4] =
    ["agent/agent.proto", "agent/health.proto", "vivarium/agent/v1/device.proto", "vivarium/agent/v1/stream.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.join("agent").display());
    println!("cargo:rerun-if-changed={}", root.join("vivarium/agent").display());
    let files = protox::compile(FILES, [&root])?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    link_seccomp()
}

/// The binding asks for libseccomp without saying static, and the linker would take the shared one that lies beside it. A directory
/// that holds nothing but the static one, searched first, decides it without anything to set in the environment.
fn link_seccomp() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=LIBSECCOMP_LIB_PATH");
    let named = std::env::var_os("LIBSECCOMP_LIB_PATH").map(PathBuf::from);
    let usual = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"].map(PathBuf::from);
    let archive = named.into_iter().chain(usual).map(|directory| directory.join("libseccomp.a")).find(|file| file.exists());
    let archive = archive.ok_or("libseccomp.a is not installed (Debian: libseccomp-dev)")?;
    let directory = PathBuf::from(std::env::var("OUT_DIR")?).join("link");
    std::fs::create_dir_all(&directory)?;
    let link = directory.join("libseccomp.a");
    if !link.exists() {
        symlink(archive, &link)?;
    }
    println!("cargo:rustc-link-search=native={}", directory.display());
    Ok(())
}
