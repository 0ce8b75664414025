//! The cockpit's mind: one state, one update, no drawing.

pub mod approve;
pub mod attach;
pub mod attention;
pub mod banner;
pub mod commands;
pub mod concerns;
pub mod dialog;
pub mod find;
pub mod fleet;
mod gaps;
mod in_dialog;
pub mod keymap;
mod keys;
pub mod levers;
mod line;
pub mod live;
pub mod load_change;
pub mod load_history;
pub mod load_look;
pub mod log;
pub mod log_keys;
pub mod mouse;
mod narrate;
pub mod palette;
pub mod queries;
pub mod replay;
pub mod share;
pub mod state;
pub mod statement_history;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod timeline_view;
pub mod unplanned;
pub mod update;
pub mod ways;
