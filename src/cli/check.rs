//! auto

use super::Failure;
use super::args::CheckArgs;
use super::place::Place;

pub(super) async fn check(_: &Place, _: &CheckArgs) -> Result<u8, Failure> {
    Err(Failure::usage("later"))
}
