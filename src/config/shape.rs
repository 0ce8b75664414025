//! Holds a file's tree against the JSON Schema of its type, so that every unknown key, missing value and wrong type is
//! found in one go; the typed reading that follows would stop at the first.
//!
//! This is not a general validator: it knows what schemars writes for plain structs, maps, lists, options and enums of
//! names, which is all that the files here are made of.

use schemars::Schema;
use serde_json::Value as Json;

use super::document::{Node, Value, joined};
use super::problem::{Problem, meant};

/// Everything in the tree that does not fit the schema.
pub(super) fn check(node: &Node, schema: &Schema) -> Vec<Problem> {
    let mut checker = Checker { root: schema.as_value(), problems: Vec::new() };
    checker.check(node, schema.as_value(), "");
    checker.problems
}

struct Checker<'a> {
    root: &'a Json,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn check(&mut self, node: &Node, schema: &'a Json, key: &str) {
        let schema = self.fitting(node, schema);
        if let Some(names) = names(schema) {
            return self.check_name(node, &names, key);
        }
        let wanted = type_of(schema);
        match (&node.value, wanted) {
            (Value::Table(_), "object") => self.check_table(node, schema, key),
            (Value::List(items), "array") => {
                for (index, item) in items.iter().enumerate() {
                    let name = item.name().map_or_else(|| format!("{key}[{index}]"), |name| joined(key, name));
                    self.check(item, &schema["items"], &name);
                }
            }
            (Value::Integer(number), "integer") => {
                let minimum = schema["minimum"].as_i64().unwrap_or(i64::MIN);
                if *number < minimum {
                    let message = format!("must be at least {minimum}, and is {number}");
                    self.problems.push(node.place.problem(key, message, None));
                }
            }
            (Value::Text(_), "string")
            | (Value::Flag(_), "boolean")
            | (Value::Integer(_) | Value::Float(_), "number") => {}
            _ => {
                let message = format!("must be {}, and is {}", called(wanted), node.kind());
                self.problems.push(node.place.problem(key, message, None));
            }
        }
    }

    fn check_table(&mut self, node: &Node, schema: &'a Json, key: &str) {
        let properties = schema["properties"].as_object();
        let known = || properties.into_iter().flatten().map(|(name, _)| name.as_str());
        for entry in node.entries() {
            let here = joined(key, &entry.name);
            match properties.and_then(|properties| properties.get(&entry.name)) {
                Some(property) => self.check(&entry.node, property, &here),
                None if schema["additionalProperties"].is_object() => {
                    self.check(&entry.node, &schema["additionalProperties"], &here);
                }
                None => {
                    let help = meant(&entry.name, known().collect::<Vec<_>>());
                    self.problems.push(entry.place.problem(&here, "unknown key", help));
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if node.get(name).is_none() {
                let help = schema["properties"][name]["description"].as_str().map(|text| format!("it says: {text}"));
                self.problems.push(node.place.problem(&joined(key, name), "is missing", help));
            }
        }
    }

    fn check_name(&mut self, node: &Node, names: &[&str], key: &str) {
        match node.text() {
            Some(text) if names.contains(&text) => {}
            Some(text) => {
                let message = format!("`{text}` is not known here");
                self.problems.push(node.place.problem(key, message, meant(text, names.iter().copied())));
            }
            None => {
                let message = format!("must be a text, and is {}", node.kind());
                self.problems.push(node.place.problem(key, message, None));
            }
        }
    }

    /// The plain schema; where there are several forms, the one that has the value's type.
    fn fitting(&self, node: &Node, schema: &'a Json) -> &'a Json {
        let wanted = match &node.value {
            Value::Table(_) => "object",
            Value::List(_) => "array",
            _ => "",
        };
        let referred = schema["$ref"].as_str().map(|name| &self.root["$defs"][name.trim_start_matches("#/$defs/")]);
        let options = referred.unwrap_or(schema)["anyOf"].as_array().into_iter().flatten();
        let mut plain = options.map(|option| self.plain(option));
        plain.find(|option| type_of(option) == wanted).unwrap_or_else(|| self.plain(schema))
    }

    /// Follows a reference, and takes what an option would be if it is given.
    fn plain(&self, schema: &'a Json) -> &'a Json {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/");
            return self.plain(&self.root["$defs"][name]);
        }
        let options = schema["anyOf"].as_array().into_iter().flatten();
        match options.into_iter().find(|option| option["type"] != "null") {
            Some(option) => self.plain(option),
            None => schema,
        }
    }
}

/// The names of an enum, in either of the forms that schemars writes.
fn names(schema: &Json) -> Option<Vec<&str>> {
    let given = |list: &'_ Json| list.as_array().is_some();
    if !given(&schema["oneOf"]) && !given(&schema["enum"]) {
        return None;
    }
    let variants = schema["oneOf"].as_array().into_iter().flatten();
    let lists = variants.clone().map(|variant| &variant["enum"]).chain([&schema["enum"]]);
    let listed = lists.flat_map(|list| list.as_array().into_iter().flatten()).filter_map(Json::as_str);
    Some(variants.filter_map(|variant| variant["const"].as_str()).chain(listed).collect())
}

/// The schema's type, of which an option has two: its own and null.
fn type_of(schema: &Json) -> &str {
    match &schema["type"] {
        Json::String(name) => name,
        Json::Array(types) => types.iter().filter_map(Json::as_str).find(|name| *name != "null").unwrap_or_default(),
        _ => "",
    }
}

fn called(json_type: &str) -> &'static str {
    match json_type {
        "object" => "a table",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a text in quotes",
    }
}
