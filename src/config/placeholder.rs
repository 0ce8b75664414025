//! `${…}` placeholders: strict, so that a name that means nothing never reaches a command line.

use super::document::{Entry, Node, Place, Value};
use super::problem::{Problem, meant};

/// What placeholders may refer to.
pub(super) trait Names {
    /// The value of a name, or why it has none.
    fn value(&self, name: &str) -> Result<String, Unresolved>;
    /// The names there are, to suggest one.
    fn known(&self) -> Vec<String>;
}

/// Why a placeholder has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// There is no such name.
    Undefined,
    /// The name is known, and has no value here for this reason.
    Absent(String),
}

/// The tree with every placeholder in its texts resolved.
pub(super) fn resolve(node: &Node, key: &str, names: &impl Names, problems: &mut Vec<Problem>) -> Node {
    let value = match &node.value {
        Value::Text(text) => {
            let (resolved, unmet) = resolve_text(text, names);
            problems.extend(unmet.iter().map(|unmet| problem(unmet, &node.place, key, names)));
            Value::Text(resolved)
        }
        Value::List(items) => Value::List(items.iter().map(|item| resolve(item, key, names, problems)).collect()),
        Value::Table(entries) => {
            let mut entry = |entry: &Entry| Entry {
                node: resolve(&entry.node, &super::document::joined(key, &entry.name), names, problems),
                ..entry.clone()
            };
            Value::Table(entries.iter().map(&mut entry).collect())
        }
        plain @ (Value::Integer(_) | Value::Float(_) | Value::Flag(_)) => plain.clone(),
    };
    Node { place: node.place.clone(), value }
}

/// A placeholder without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmet {
    /// As it is written, `${` and `}` included.
    pub placeholder: String,
    /// Why; none where it is not even complete.
    pub why: Option<Unresolved>,
}

/// A text with its placeholders resolved, and those that have no value. `$${` stands for a literal `${`.
///
/// A placeholder without a value stays as it is written, by which later checks know that it was reported.
pub(super) fn resolve_text(text: &str, names: &impl Names) -> (String, Vec<Unmet>) {
    let mut resolved = String::new();
    let mut unmet = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(literal) = rest[..start].strip_suffix('$') {
            resolved.push_str(literal);
            resolved.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        resolved.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else {
            rest = &rest[start..];
            unmet.push(Unmet { placeholder: rest.to_owned(), why: None });
            break;
        };
        let placeholder = &rest[start..=start + length];
        match names.value(&placeholder[2..placeholder.len() - 1]) {
            Ok(value) => resolved.push_str(&value),
            Err(why) => {
                resolved.push_str(placeholder);
                unmet.push(Unmet { placeholder: placeholder.to_owned(), why: Some(why) });
            }
        }
        rest = &rest[start + length + 1..];
    }
    (resolved + rest, unmet)
}

fn problem(unmet: &Unmet, place: &Place, key: &str, names: &impl Names) -> Problem {
    let Unmet { placeholder, why } = unmet;
    let place = place.of(placeholder);
    match why {
        None => place.problem(key, "`${` has no `}`", None),
        Some(Unresolved::Absent(why)) => place.problem(key, format!("{placeholder} has no value: {why}"), None),
        Some(Unresolved::Undefined) => {
            let name = placeholder.trim_start_matches("${").trim_end_matches('}');
            let known = names.known();
            let help = meant(name, known.iter().map(String::as_str).collect::<Vec<_>>());
            place.problem(key, format!("{placeholder} is not defined"), help)
        }
    }
}
