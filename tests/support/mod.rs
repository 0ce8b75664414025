//! What tests build on.

pub mod moving;
pub mod night;
pub mod queries;
pub mod site;
pub mod trouble;
