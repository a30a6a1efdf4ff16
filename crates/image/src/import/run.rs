//! Importing: what a path is, is found out by looking.

use super::archive::{open_archive, ArchiveFiles};
use super::docker::{self, is_docker_archive};
use super::files::Files;
use super::layout::{self, LayoutLayers};
use super::pack::pack;
use super::rootfs;
use crate::failure::{Code, Failure, OrFail};
use crate::layers::{make_layers, Context, Layers};
use crate::plan::Plan;
use crate::report::{Image, Outcome, Source};
use crate::request::ImportRequest;
use std::io::{self, BufWriter};

const PIPE_BUFFER: usize = 256 << 10;

pub fn import(context: &Context, request: &ImportRequest) -> Result<Outcome, Failure> {
    let path = &request.path;
    let kind = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(Code::NotFound, format_args!("{} is not there", path.display())));
        }
        metadata => metadata.or_fail(path.display())?.file_type(),
    };
    let files = if kind.is_dir() {
        Files::of_directory(path)?
    } else if kind.is_file() {
        Files::Archive(ArchiveFiles::index(open_archive(path, &context.store, context.limits.image_bytes)?)?)
    } else {
        return Err(Failure::new(Code::BadRequest, format_args!("{} is neither a directory nor a file", path.display())));
    };
    if files.open("oci-layout")?.is_some() {
        let plans = layout::plans(context, &files, &request.platform)?;
        return finish(context, plans, &LayoutLayers { files }, Source::OciLayout);
    }
    if is_docker_archive(&files)? {
        let (plans, layers) = docker::plans(context, files, &request.platform)?;
        return finish(context, plans, &layers, Source::DockerArchive);
    }
    let image = match files {
        Files::Archive(archive) => rootfs::import(context, archive.whole(), &request.platform)?,
        Files::Directory(_) => import_directory(context, request)?,
    };
    Ok(Outcome::Images { images: vec![image], fetched_bytes: 0, source: Source::Directory })
}

fn finish(context: &Context, plans: Vec<Plan>, source: &dyn Layers, kind: Source) -> Result<Outcome, Failure> {
    let mut images = Vec::new();
    for plan in plans {
        let layers = make_layers(context, &plan, source)?;
        images.push(plan.image(layers));
    }
    Ok(Outcome::Images { images, fetched_bytes: 0, source: kind })
}

/// A directory becomes an archive on one thread and a layer on the other.
fn import_directory(context: &Context, request: &ImportRequest) -> Result<Image, Failure> {
    let (reader, writer) = io::pipe().or_fail("pipe")?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| pack(&request.path, BufWriter::with_capacity(PIPE_BUFFER, writer), &context.cancel));
        let image = rootfs::import(context, reader, &request.platform);
        let packed = packing.join().unwrap_or_else(|_| Err(Failure::new(Code::Io, "a thread panicked; see standard error")));
        match (packed, image) {
            // The archive ended early, which is how the other side failed.
            (Err(cause), Err(effect)) if effect.code == Code::BadImage => Err(cause),
            (Err(cause), Ok(_)) => Err(cause),
            (_, image) => image,
        }
    })
}
