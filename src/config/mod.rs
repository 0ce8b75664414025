//! Files: the rollout, the operator's overlay over it, and the user's settings. Typed and strict: a wrong file is refused
//! with everything that is wrong with it, each with file, line and key, before anything starts.

pub mod attention;
mod document;
pub mod draft;
mod levers;
pub mod paths;
mod placeholder;
mod problem;
mod resolve;
pub mod rollout;
pub mod scenario;
mod scope;
pub mod settings;
mod shape;
mod steps;
mod theme;
mod values;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use document::{Node, Source};
pub(crate) use problem::meant;
pub use problem::{Problem, Problems};
pub use theme::{SHIPPED_THEMES, theme, theme_files};

use crate::runbook::plan::Plan;

/// The rollout that the cockpit ships with: name and text.
pub const SHIPPED: (&str, &str) = ("pdev-479.toml", include_str!("../../config/rollouts/pdev-479.toml"));

/// The smallest useful rollout, written by `aurora-cockpit init` as a first file.
pub const MINIMAL: &str = include_str!("../../config/rollouts/minimal.toml");

/// Environment variable that names an overlay where `--overlay` does not.
pub const OVERLAY_VARIABLE: &str = "AURORA_COCKPIT_OVERLAY";

/// Reads a rollout file, lays the operator's overlay over it, and resolves it to a plan.
///
/// # Errors
/// Everything that is wrong with either file.
pub fn load(rollout: &Path, overlay: Option<&Path>) -> Result<Plan, Problems> {
    with_overlay(read(rollout)?, overlay)
}

/// As [`load`], from a text that is not a file of its own, such as [`SHIPPED`].
///
/// # Errors
/// Everything that is wrong with the text or the overlay.
pub fn load_text(name: &str, text: &str, overlay: Option<&Path>) -> Result<Plan, Problems> {
    with_overlay(Source::new(Path::new(name), text.to_owned()), overlay)
}

/// The JSON Schema of rollout files, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(rollout::RolloutFile).to_value()
}

fn with_overlay(rollout: Arc<Source>, overlay: Option<&Path>) -> Result<Plan, Problems> {
    let mut root = parse(&rollout)?;
    let mut problems = Vec::new();
    if let Some(overlay) = overlay {
        root.overlay(parse(&read(overlay)?)?, "", &mut problems);
    }
    match resolve::plan(&root) {
        Ok(plan) if problems.is_empty() => Ok(plan),
        Ok(_) => Err(Problems::new(problems)),
        Err(found) => Err(Problems::new([problems, found].concat())),
    }
}

fn parse(source: &Arc<Source>) -> Result<Node, Problems> {
    document::parse(source).map_err(Problems::new)
}

fn read(path: &Path) -> Result<Arc<Source>, Problems> {
    let text = fs::read_to_string(path).map_err(|error| {
        let help = (error.kind() == std::io::ErrorKind::NotFound)
            .then(|| "check the path, or write a first file with `aurora-cockpit init`".to_owned());
        Problems::whole_file(&path.display().to_string(), format!("cannot be read: {error}"), help)
    })?;
    Ok(Source::new(path, text))
}

#[cfg(test)]
mod tests;
