//! What tests build on.

pub mod dialogs;
pub mod fleet;
pub mod load;
pub mod moving;
pub mod night;
pub mod queries;
pub mod site;
pub mod trouble;
pub mod window;
