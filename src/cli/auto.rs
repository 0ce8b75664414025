//! auto

use super::Failure;
use super::args::AutoArgs;
use super::place::Place;

pub(super) async fn auto(_: &Place, _: &AutoArgs) -> Result<u8, Failure> {
    Err(Failure::usage("later"))
}
