//! The user's settings: what an operator likes, as opposed to what a rollout demands.
//!
//! ```toml
//! theme = "high-contrast"
//! operator = "Miguel Pinilla"
//! state_dir = "~/rollouts"
//! mouse = false
//!
//! [attention]
//! quiet = "22:00-06:00"
//!
//! [keys]
//! fire = "F5"
//! quit = ["q", "ctrl-q"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::attention::{Attention, AttentionFile, Hours};
use super::document::{Entry, Node, Place};
use super::problem::{Problem, Problems, meant};
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
    /// The group of users who may follow the runs begun here from sessions of their own, and approve; none by default.
    pub group: Option<String>,
    /// Whether what is private is masked on screen, for a shared one; not by default.
    pub share: bool,
    /// Whether the mouse scrolls and marks; by default it does. The terminal's own selection is had with Shift then.
    pub no_mouse: bool,
    /// Lines of log that are kept; none leaves it to the cockpit.
    pub log_lines: Option<u64>,
    /// Mebibytes of memory that they may take; none leaves it to the cockpit.
    pub log_megabytes: Option<u64>,
    /// How the operator is called.
    pub attention: Attention,
    /// Keys that commands have instead of their own. Which commands there are, the [keymap](crate::app::keymap) knows.
    pub keys: Vec<Bound>,
}

/// The keys of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The command's name.
    pub command: Written,
    /// Its keys; none where it is to have none.
    pub keys: Vec<Written>,
}

/// A text of the file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// The file, as it was named by the operator.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl Written {
    fn new(text: &str, place: &Place) -> Self {
        let Problem { file, line, column, .. } = place.problem("", "", None);
        Self { text: text.to_owned(), file, line, column }
    }

    /// A problem with what stands here.
    pub fn problem(&self, key: &str, message: impl Into<String>, help: Option<String>) -> Problem {
        let Self { file, line, column, .. } = self.clone();
        Problem { file, line, column, key: key.to_owned(), message: message.into(), help }
    }
}

/// One key, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the shape is asked for; what stands where is read from the tree")]
enum Keys {
    One(String),
    Several(Vec<String>),
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
    /// A group of the system, by name or number, whose members may read the journal of runs begun from here, and approve
    /// what waits for a second person. Left out: nobody but their owner reads runs.
    group: Option<String>,
    /// `true`: what is private is masked on screen.
    share: Option<bool>,
    /// `false`: the mouse is the terminal's alone.
    mouse: Option<bool>,
    /// Lines of log that are kept, such as `1000000`; the oldest go.
    #[schemars(range(min = 1000))]
    log_lines: Option<u64>,
    /// Mebibytes of memory that they may take, such as `256`.
    #[schemars(range(min = 1))]
    log_megabytes: Option<u64>,
    /// How the operator is called who looks elsewhere.
    attention: Option<AttentionFile>,
    /// Keys by command, such as `fire = "F5"` or `quit = ["q", "ctrl-q"]`; an empty list takes a command's key away.
    #[expect(dead_code, reason = "only the shape is asked for; what stands where is read from the tree")]
    keys: Option<BTreeMap<String, Keys>>,
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
        findings.value(&at, &["attention", "quiet"], Hours::parse);
        let themes = theme_names(path);
        for key in ["theme", "production_theme"] {
            findings.value(&at, &[key], |name| known_theme(name, &themes));
        }
        let file: Option<SettingsFile> = findings.typed(&at);
        match file {
            Some(file) if findings.problems.is_empty() => Ok(Settings { keys: bound(&root), ..file.settings(path) }),
            _ => Err(Problems::new(findings.problems)),
        }
    }
}

/// The keys of commands, each with where it stands: what they amount to is not known here.
fn bound(root: &Node) -> Vec<Bound> {
    let entries = root.get("keys").map(Node::entries).unwrap_or_default();
    let bind = |entry: &Entry| {
        let keys = if entry.node.text().is_some() { std::slice::from_ref(&entry.node) } else { entry.node.items() };
        let keys = keys.iter().filter_map(|key| Some(Written::new(key.text()?, &key.place)));
        Bound { command: Written::new(&entry.name, &entry.place), keys: keys.collect() }
    };
    entries.iter().map(bind).collect()
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
            group: self.group.filter(|name| !name.trim().is_empty()),
            share: self.share.unwrap_or_default(),
            no_mouse: self.mouse == Some(false),
            log_lines: self.log_lines,
            log_megabytes: self.log_megabytes,
            attention: self.attention.unwrap_or_default().attention(),
            keys: Vec::new(),
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

    #[test]
    fn how_the_operator_is_called_is_as_strict_as_the_rest() {
        let attention = load("[attention]\nbell = false\nquiet = \"22:00-06:00\"\n").unwrap().attention;
        assert!(!attention.bell && attention.notify && attention.title && attention.quiet.is_some(), "{attention:?}");
        let message = load("[attention]\nbel = true\nquiet = \"late\"\ntitle = \"no\"\n").unwrap_err();
        for words in [
            "config.toml:2:1: attention.bel: unknown key; did you mean `bell`?",
            "config.toml:3:9: attention.quiet: `late` are no hours of the day; write them like `22:00-06:00`",
            "config.toml:4:9: attention.title: must be",
        ] {
            assert!(message.contains(words), "{words}\n{message}");
        }
    }

    #[test]
    fn keys_are_one_or_several_and_know_where_they_stand() {
        let settings = load("[keys]\nfire = \"F5\"\nquit = [\"q\", \"ctrl-q\"]\nstop = []\n").unwrap();
        let keys: Vec<(&str, usize, Vec<&str>)> = settings
            .keys
            .iter()
            .map(|bound| {
                let keys = bound.keys.iter().map(|key| key.text.as_str()).collect();
                (bound.command.text.as_str(), bound.command.line, keys)
            })
            .collect();
        assert_eq!(keys, [("fire", 2, vec!["F5"]), ("quit", 3, vec!["q", "ctrl-q"]), ("stop", 4, vec![])]);
        assert_eq!((settings.keys[1].keys[1].line, settings.keys[1].keys[1].column), (3, 14));
        let message = load("log_lines = 3\n[keys]\nfire = 5\nquit = [1]\n").unwrap_err();
        for words in [
            "config.toml:1:13: log_lines: must be at least 1000",
            "3:8: keys.fire: must be a text in quotes",
            "4:9: keys.quit[0]: must be a text",
        ] {
            assert!(message.contains(words), "{words}\n{message}");
        }
    }
}
