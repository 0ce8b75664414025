//! The user's settings: what an operator likes, as opposed to what a rollout demands.
//!
//! ```toml
//! theme = "high-contrast"
//! operator = "Miguel Pinilla"
//! state_dir = "~/rollouts"
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::problem::meant;
use super::resolve::{At, Findings};
use super::values::Wrong;
use super::{SHIPPED_THEMES, parse, read, shape, theme_files, values};

/// The settings. What is left out of the file has the default that is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The theme, by name or file; none takes the first that is shipped.
    pub theme: Option<String>,
    /// The theme while a production partition is looked at; none keeps the usual one.
    pub production_theme: Option<String>,
    /// Whether marks and frames are drawn in ASCII only; not by default.
    pub ascii: bool,
    /// How often the sources are asked while nothing runs; none leaves it to the cockpit.
    pub cadence: Option<Duration>,
    /// Where runs are kept; none takes the XDG state directory.
    pub state_dir: Option<PathBuf>,
    /// The overlay that is laid over rollouts where neither `--overlay` nor the environment names one.
    pub overlay: Option<PathBuf>,
    /// The operator's name in the journal; none takes the login name.
    pub operator: Option<String>,
    /// Whether what is private is masked on screen, for a shared one; not by default.
    pub share: bool,
}

/// The settings file as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "aurora-cockpit settings")]
struct SettingsFile {
    /// Colours: the name of a theme that is shipped or in `themes/` beside this file, or the path of a theme file.
    theme: Option<String>,
    /// The theme while a production partition is looked at, such as `production`.
    production_theme: Option<String>,
    /// `true`: marks and frames in ASCII only.
    ascii: Option<bool>,
    /// How often the sources are asked while nothing runs, such as `10s`.
    cadence: Option<String>,
    /// Where runs are kept. `~/` is the home directory.
    state_dir: Option<String>,
    /// A file that is laid over every rollout: paths, port-forwards, password sources of this machine.
    overlay: Option<String>,
    /// The operator's name in the journal.
    operator: Option<String>,
    /// `true`: what is private is masked on screen.
    share: Option<bool>,
}

impl Settings {
    /// Reads the settings file. One that is not there is no problem unless it was asked for: then every default holds.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(path: &Path, asked_for: bool) -> Result<Self, Problems> {
        if !asked_for && !path.exists() {
            return Ok(Self::default());
        }
        let root = parse(&read(path)?)?;
        let schema = schemars::schema_for!(SettingsFile);
        let mut findings = Findings { problems: shape::check(&root, &schema) };
        let at = At { node: &root, key: String::new() };
        findings.value(&at, &["cadence"], values::duration);
        let themes = theme_names(path);
        for key in ["theme", "production_theme"] {
            findings.value(&at, &[key], |name| known_theme(name, &themes));
        }
        let file: Option<SettingsFile> = findings.typed(&at);
        match file {
            Some(file) if findings.problems.is_empty() => Ok(file.settings(path)),
            _ => Err(Problems::new(findings.problems)),
        }
    }
}

/// The themes that can be named in that settings file: those that are shipped, and those beside it.
fn theme_names(settings: &Path) -> Vec<String> {
    let shipped = SHIPPED_THEMES.iter().map(|(name, _)| (*name).to_owned());
    let own = settings.parent().map(|base| theme_files(&base.join("themes"))).unwrap_or_default();
    shipped.chain(own.into_iter().map(|(name, _)| name)).collect()
}

fn known_theme(name: &str, known: &[String]) -> Result<(), Wrong> {
    if name.ends_with(".toml") || known.iter().any(|other| other == name) {
        return Ok(());
    }
    let help = meant(name, known.iter().map(String::as_str));
    Err(Wrong { message: format!("`{name}` is not known here"), help })
}

impl SettingsFile {
    fn settings(self, path: &Path) -> Settings {
        let base = path.parent().unwrap_or(Path::new(""));
        let full = |text: String| PathBuf::from(values::path(&text, base));
        let theme = |name: String| if name.ends_with(".toml") { values::path(&name, base) } else { name };
        Settings {
            theme: self.theme.map(theme),
            production_theme: self.production_theme.map(theme),
            ascii: self.ascii.unwrap_or_default(),
            cadence: self.cadence.and_then(|text| values::duration(&text).ok()),
            state_dir: self.state_dir.map(full),
            overlay: self.overlay.map(full),
            operator: self.operator.filter(|name| !name.trim().is_empty()),
            share: self.share.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(text: &str) -> Result<Settings, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let prefix = format!("{}/", directory.path().display());
        Settings::load(&path, true).map_err(|problems| problems.to_string().replace(&prefix, ""))
    }

    #[test]
    fn no_file_is_all_defaults_unless_it_was_asked_for() {
        let nowhere = Path::new("/nowhere/config.toml");
        assert_eq!(Settings::load(nowhere, false).unwrap(), Settings::default());
        assert!(Settings::load(nowhere, true).is_err());
        assert_eq!(load(""), Ok(Settings::default()));
    }

    #[test]
    fn what_is_said_is_taken() {
        let settings =
            load("theme = \"monochrome\"\nproduction_theme = \"mine.toml\"\ncadence = \"10s\"\nstate_dir = \"/runs\"\nshare = true\n").unwrap();
        assert!(settings.production_theme.as_ref().is_some_and(|file| file.ends_with("/mine.toml")), "{settings:?}");
        let (theme, cadence) = (Some("monochrome".to_owned()), Some(Duration::from_secs(10)));
        let production_theme = settings.production_theme.clone();
        let state_dir = Some("/runs".into());
        let expected = Settings { theme, production_theme, cadence, state_dir, share: true, ..Settings::default() };
        assert_eq!(settings, expected);
    }

    #[test]
    fn what_is_wrong_is_said_at_once() {
        let message = load("theme = \"drak\"\ncadence = \"often\"\noperater = \"Ada\"\n").unwrap_err();
        assert_eq!(
            message,
            "config.toml:1:9: theme: `drak` is not known here; did you mean `dark`?\n\
             config.toml:2:11: cadence: `often` is no duration; write it like `90s`, `5m` or `1h30m`\n\
             config.toml:3:1: operater: unknown key; did you mean `operator`?\n\
             3 problems; nothing was started."
        );
    }
}
