//! The execution log of a run: in Markdown for people and the project's documentation, as a page with pictures, in JSON for
//! programs.
//!
//! All are read off the folded run alone, so that they can be written while it goes on, after a crash, or years later.

mod comparison;
mod html;
mod json;
mod markdown;
pub mod picture;
mod times;
mod words;

pub use html::html;
pub use json::json;
pub use markdown::markdown;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_page;
