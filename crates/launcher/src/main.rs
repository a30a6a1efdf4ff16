//! `viv-launcher DIR`: starts the process that `DIR/spec.json` names and stays as its parent; `viv-launcher serve`: does that and a
//! few things more on request. See docs/protocols/launcher.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next(), args.next()) {
        (Some(flag), None) if flag == "--version" => {
            println!("viv-launcher {} (protocol {})", env!("CARGO_PKG_VERSION"), viv_launcher::PROTOCOL_VERSION);
            ExitCode::SUCCESS
        }
        (Some(word), None) if word == "serve" => viv_launcher::serve::run(),
        (Some(dir), None) => viv_launcher::front::run(dir.as_ref()),
        _ => {
            eprintln!("usage: viv-launcher DIR | serve | --version");
            ExitCode::from(2)
        }
    }
}
