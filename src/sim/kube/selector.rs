//! Label and field selectors.

use serde_json::Value;

use super::Params;

/// What a list or watch is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Term>,
    fields: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Is(String, String),
    IsNot(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// A term that makes no sense, in the API server's words.
    pub fn parse(params: &Params) -> Result<Self, String> {
        let terms = |name: &str| params.get(name).map_or(Ok(Vec::new()), |text| parse_terms(text));
        Ok(Self { labels: terms("labelSelector")?, fields: terms("fieldSelector")? })
    }

    /// Whether an object is meant.
    pub fn holds(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str).map(str::to_owned);
        let field = |path: &str| {
            let value = object.pointer(&format!("/{}", path.replace('.', "/")))?;
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        self.labels.iter().all(|term| term.holds(label)) && self.fields.iter().all(|term| term.holds(field))
    }
}

impl Term {
    fn holds(&self, look_up: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Is(key, value) => look_up(key).as_ref() == Some(value),
            Self::IsNot(key, value) => look_up(key).as_ref() != Some(value),
            Self::In(key, values) => look_up(key).is_some_and(|value| values.contains(&value)),
            Self::NotIn(key, values) => !look_up(key).is_some_and(|value| values.contains(&value)),
            Self::Exists(key) => look_up(key).is_some(),
            Self::Absent(key) => look_up(key).is_none(),
        }
    }
}

/// Splits at commas outside of brackets, then reads each term.
fn parse_terms(text: &str) -> Result<Vec<Term>, String> {
    let mut depth = 0_i32;
    let terms = text.split(|letter| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        letter == ',' && depth == 0
    });
    terms.map(str::trim).filter(|term| !term.is_empty()).map(parse_term).collect()
}

fn parse_term(term: &str) -> Result<Term, String> {
    let list = |values: &str| -> Vec<String> {
        values.trim_matches(['(', ')', ' ']).split(',').map(|value| value.trim().to_owned()).collect()
    };
    let pair = |(key, value): (&str, &str)| (key.trim().to_owned(), value.trim().to_owned());
    if let Some((key, value)) = term.split_once("!=").map(pair) {
        return Ok(Term::IsNot(key, value));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')).map(pair) {
        return Ok(Term::Is(key, value));
    }
    if let Some((key, values)) = term.split_once(" notin ") {
        return Ok(Term::NotIn(key.trim().into(), list(values)));
    }
    if let Some((key, values)) = term.split_once(" in ") {
        return Ok(Term::In(key.trim().into(), list(values)));
    }
    match term.strip_prefix('!') {
        Some(key) => Ok(Term::Absent(key.trim().into())),
        None if term.contains(char::is_whitespace) => Err(format!("unable to parse requirement: found '{term}'")),
        None => Ok(Term::Exists(term.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selector(labels: &str, fields: &str) -> Selector {
        let params = [("labelSelector".to_owned(), labels.to_owned()), ("fieldSelector".to_owned(), fields.to_owned())];
        Selector::parse(&params.into()).expect("a selector")
    }

    #[test]
    fn labels_and_fields_narrow_a_list() {
        let pod =
            json!({ "metadata": { "name": "p", "labels": { "app": "operations" } }, "status": { "phase": "Running" } });
        for (labels, fields, holds) in [
            ("", "", true),
            ("app=operations", "", true),
            ("app==operations,app", "metadata.name=p", true),
            ("app in (web, operations),!tier", "status.phase!=Pending", true),
            ("app notin (operations)", "", false),
            ("app!=operations", "", false),
            ("tier", "", false),
            ("", "metadata.name=q", false),
        ] {
            assert_eq!(selector(labels, fields).holds(&pod), holds, "{labels} {fields}");
        }
    }
}
