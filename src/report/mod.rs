//! The execution log of a run: in Markdown for people and the project's documentation, as a page with pictures, in JSON for
//! programs.
//!
//! All are read off the folded run alone, so that they can be written while it goes on, after a crash, or years later.

mod comparison;
mod html;
mod json;
mod markdown;
pub mod picture;
mod seal;
mod times;
mod words;

use html::html;
use json::json;
use markdown::markdown;
pub use seal::Seal;

use crate::runbook::state::Run;
use picture::Picture;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// As the runbook's own execution log is written.
    #[value(alias = "text")]
    Markdown,
    /// A page that needs nothing from elsewhere.
    Html,
    /// For programs.
    Json,
}

impl Form {
    /// The form of a report that was written before.
    pub fn of(report: &str) -> Self {
        match report.trim_start().bytes().next() {
            Some(b'<') => Self::Html,
            Some(b'{') => Self::Json,
            _ => Self::Markdown,
        }
    }
}

/// The execution log of a run, as far as its sealed records tell. The pictures are for the page only.
///
/// The same records and pictures give the same text, on any machine and at any time.
pub fn write(form: Form, run: &Run, pictures: &[Picture], seal: &Seal) -> String {
    match form {
        Form::Markdown => markdown(run, seal),
        Form::Html => html(run, pictures, seal),
        Form::Json => format!("{:#}\n", json(run, seal)),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_page;
