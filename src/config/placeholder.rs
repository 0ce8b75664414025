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
        Value::Text(text) => Value::Text(resolve_text(text, &node.place, key, names, problems)),
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

/// A text with its placeholders resolved. `$${` stands for a literal `${`.
pub(super) fn resolve_text(
    text: &str,
    place: &Place,
    key: &str,
    names: &impl Names,
    problems: &mut Vec<Problem>,
) -> String {
    let mut resolved = String::new();
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
            problems.push(place.of(&rest[start..]).problem(key, "`${` has no `}`", None));
            return resolved;
        };
        let placeholder = &rest[start..=start + length];
        let name = &placeholder[2..placeholder.len() - 1];
        match names.value(name) {
            Ok(value) => resolved.push_str(&value),
            Err(why) => problems.push(unresolved(placeholder, name, why, place, key, names)),
        }
        rest = &rest[start + length + 1..];
    }
    resolved + rest
}

fn unresolved(placeholder: &str, name: &str, why: Unresolved, place: &Place, key: &str, names: &impl Names) -> Problem {
    let place = place.of(placeholder);
    match why {
        Unresolved::Absent(why) => place.problem(key, format!("{placeholder} has no value: {why}"), None),
        Unresolved::Undefined => {
            let known = names.known();
            let help = meant(name, known.iter().map(String::as_str).collect::<Vec<_>>());
            place.problem(key, format!("{placeholder} is not defined"), help)
        }
    }
}
