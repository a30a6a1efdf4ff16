//! Images from registries.

use crate::failure::{Code, Failure};
use crate::layers::Context;
use crate::report::Outcome;
use crate::request::PullRequest;

pub fn pull(_: &Context, request: &PullRequest) -> Result<Outcome, Failure> {
    Err(Failure::new(Code::BadRequest, format_args!("{} can't be pulled by this version", request.reference)))
}
