//! What is wrong with a file, where, and what was probably meant.

use std::fmt;

use crate::runbook::text::{clean, clean_line};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as it was named by the operator.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key, such as `steps.failover.limit`; empty where the whole file is meant.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// What was probably meant, or how it should look.
    pub help: Option<String>,
}

impl Problem {
    /// Quotes nothing that would steer a terminal: a file may come from anywhere, its name too.
    fn cleaned(self) -> Self {
        let Self { file, line, column, key, message, help } = self;
        let help = help.map(|help| clean(&help));
        Self { file: clean_line(&file), line, column, key: clean_line(&key), message: clean(&message), help }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, key, message, help } = self;
        f.write_str(file)?;
        if *line > 0 {
            write!(f, ":{line}:{column}")?;
        }
        if !key.is_empty() {
            write!(f, ": {key}")?;
        }
        write!(f, ": {message}")?;
        match help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a file and its overlay; never empty. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems in the order in which they stand in their files, each once.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        let mut problems: Vec<Problem> = problems.into_iter().map(Problem::cleaned).collect();
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// A problem with a file as a whole.
    pub(super) fn whole_file(file: &str, message: impl Into<String>, help: Option<String>) -> Self {
        let (file, key, message) = (file.to_owned(), String::new(), message.into());
        Self(vec![Problem { file, line: 0, column: 0, key, message, help }.cleaned()])
    }

    /// The problems, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        match self.0.len() {
            1 => f.write_str("1 problem; nothing was started."),
            count => write!(f, "{count} problems; nothing was started."),
        }
    }
}

impl std::error::Error for Problems {}

/// The known name that is so near to `given` that it was probably meant.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(&given, &name.to_lowercase());
    known
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Says which of the known names was probably meant, or lists them where none is near.
pub(crate) fn meant<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("known here: {}", names.join(", ")))
}
