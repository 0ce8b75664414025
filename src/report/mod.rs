//! The execution log of a run: in Markdown for people and the project's documentation, in JSON for programs.
//!
//! Both are read off the folded run alone, so that they can be written while it goes on, after a crash, or years later.

mod comparison;
mod json;
mod markdown;
mod times;
mod words;

pub use json::json;
pub use markdown::markdown;

#[cfg(test)]
mod tests;
