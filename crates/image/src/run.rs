//! One request from its line to its last answer.

use crate::cancel::Cancel;
use crate::failure::{Code, Failure};
use crate::import::run::import;
use crate::layers::Context;
use crate::pull::{pull, resolve_only};
use crate::report::{Outcome, Report, Step};
use crate::request::{Limits, Request};
use crate::store::Store;
use rustix::process::umask;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;
use tokio::signal::unix::{signal, SignalKind};

pub fn run() -> ExitCode {
    // What archives say of modes is meant as it is.
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    let cancel = Cancel::default();
    watch_signals(cancel.clone());
    let report = Report::new(Box::new(io::stdout()), cancel.clone());
    let mut input = BufReader::new(io::stdin());
    let outcome = match Request::read(&mut input) {
        Ok(request) => {
            watch_input(input, cancel.clone());
            serve(&request, &cancel, &report)
        }
        Err(failure) => Err(failure),
    };
    report.end(&outcome);
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The end of the input is the wish to give up. The thread ends with the process.
fn watch_input(mut input: impl Read + Send + 'static, cancel: Cancel) {
    std::thread::spawn(move || {
        if let Err(error) = io::copy(&mut input, &mut io::sink()) {
            eprintln!("viv-image: standard input: {error}");
        }
        cancel.give_up(Code::Cancelled);
    });
}

/// SIGTERM and SIGINT are that wish, too.
fn watch_signals(cancel: Cancel) {
    std::thread::spawn(move || match wait_for_signal() {
        Ok(()) => cancel.give_up(Code::Cancelled),
        Err(error) => eprintln!("viv-image: signals: {error}"),
    });
}

fn wait_for_signal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn serve(request: &Request, cancel: &Cancel, report: &Report) -> Result<Outcome, Failure> {
    let open = |store: &Path, limits: &Limits| -> Result<Context, Failure> {
        let store = Store::open(store, cancel, &mut || report.overall(Step::Waiting))?;
        Ok(Context { store, limits: limits.clone(), cancel: cancel.clone(), report: report.clone() })
    };
    match request {
        Request::Import(request) => import(&open(&request.store, &request.limits)?, request),
        Request::Pull(request) => pull(&open(&request.store, &request.limits)?, request),
        Request::Resolve(request) => resolve_only(&open(&request.store, &request.limits)?, request),
    }
}
