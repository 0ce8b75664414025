//! What tests build on.

pub mod night;
pub mod site;
pub mod trouble;
