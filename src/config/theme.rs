//! Theme files: any part of a shipped theme, said otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::document::{Node, Source, Value, joined};
use super::problem::{Problem, Problems, meant};
use super::resolve::{At, Findings};
use super::{parse, read, shape};

/// The theme files that are shipped, the first of which holds where nothing else is asked for.
pub const SHIPPED_THEMES: [(&str, &str); 6] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../themes/colour-blind.toml")),
    ("production", include_str!("../../themes/production.toml")),
    ("monochrome", include_str!("../../themes/monochrome.toml")),
];

/// The theme files in a directory, by name.
pub fn theme_files(directory: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = entries.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut files: Vec<_> =
        named.filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path.clone()))).collect();
    files.sort();
    files
}

/// Reads a theme file over the shipped theme that it names as its `base`. What the colours mean is the reader's business:
/// `T` is the theme, `is_colour` says what a colour is.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn theme<T: DeserializeOwned + JsonSchema>(file: &Path, is_colour: impl Fn(&str) -> bool) -> Result<T, Problems> {
    let own = parse(&read(file)?)?;
    let mut problems = Vec::new();
    let asked = own.get("base").and_then(Node::text);
    let shipped = |asked: &str| SHIPPED_THEMES.into_iter().find(|(name, _)| *name == asked);
    let (_, base) = asked.and_then(shipped).unwrap_or(SHIPPED_THEMES[0]);
    if let (Some(node), Some(name)) = (own.get("base"), asked.filter(|name| shipped(name).is_none())) {
        let help = meant(name, SHIPPED_THEMES.map(|(name, _)| name));
        problems.push(node.place.problem("base", format!("`{name}` is not known here"), help));
    }
    colours(&own, "", &is_colour, &mut problems);
    let mut root = parse(&Source::new(Path::new("a shipped theme"), base.to_owned()))?;
    root.overlay(own, "", &mut problems);
    problems.extend(shape::check(&root, &schemars::schema_for!(T)));
    let mut findings = Findings { problems };
    match findings.typed(&At { node: &root, key: String::new() }) {
        Some(theme) if findings.problems.is_empty() => Ok(theme),
        _ => Err(Problems::new(findings.problems)),
    }
}

/// Every text that stands for a colour, and is none.
fn colours(node: &Node, key: &str, is_colour: &impl Fn(&str) -> bool, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::Table(_) => {
            for entry in node.entries().iter().filter(|entry| !(key.is_empty() && entry.name == "base")) {
                colours(&entry.node, &joined(key, &entry.name), is_colour, problems);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                colours(item, &format!("{key}[{index}]"), is_colour, problems);
            }
        }
        Value::Text(text) if !is_colour(text) => {
            let message = format!("`{text}` is not a colour; write it as #rrggbb, such as \"#7ec878\"");
            problems.push(node.place.problem(key, message, None));
        }
        _ => {}
    }
}
