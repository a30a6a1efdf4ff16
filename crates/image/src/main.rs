//! `viv-image`: one request on standard input, JSON lines on standard output. See docs/protocols/image-tool.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        (None, None) => viv_image::run::run(),
        (Some(flag), None) if flag == "--version" => {
            println!("viv-image {} (protocol {})", env!("CARGO_PKG_VERSION"), viv_image::PROTOCOL_VERSION);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: viv-image [--version]; the request is read from standard input");
            ExitCode::from(2)
        }
    }
}
