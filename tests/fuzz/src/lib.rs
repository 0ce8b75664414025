//! What must hold of text from outside, whatever it is. Each function is a fuzz target; see README.md here.
//!
//! None of them is content with "it does not panic": each says what of the input may come through, and what never.

mod files;
mod journal;
mod texts;

pub use files::{rollout, scenario, settings};
pub use journal::journal;
pub use texts::{output, page, sql, words};

use std::path::PathBuf;
use std::sync::OnceLock;

/// A file of this process's own, for what is read from files only.
fn scratch(name: &str, content: &[u8]) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("cockpit-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        directory
    });
    let path = directory.join(name);
    std::fs::write(&path, content).expect("a file");
    path
}

/// Whether a text can be shown on a terminal: nothing in it steers it, turns its neighbours around or is not seen.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !(c.is_control() || is_hidden(c)))
}

/// Bidirectional controls and what has no width: said here once more, so that the cockpit's own list is held against another.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}' | '\u{ad}')
}
