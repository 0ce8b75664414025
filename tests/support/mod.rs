//! What tests build on.

pub mod night;
pub mod site;
