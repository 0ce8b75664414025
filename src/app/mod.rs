//! The cockpit's mind: one state, one update, no drawing.

pub mod banner;
pub mod commands;
pub mod concerns;
pub mod dialog;
mod keys;
pub mod live;
pub mod log;
mod narrate;
pub mod state;
#[cfg(test)]
mod tests;
pub mod update;
