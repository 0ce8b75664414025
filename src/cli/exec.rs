//! auto

use super::Failure;
use super::args::ExecArgs;
use super::place::Place;

pub(super) async fn exec(_: &Place, _: &ExecArgs) -> Result<u8, Failure> {
    Err(Failure::usage("later"))
}
