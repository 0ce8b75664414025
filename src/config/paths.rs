//! Where files are by default: the XDG base directories.
//!
//! <https://specifications.freedesktop.org/basedir-spec/latest/>

use std::ffi::OsString;
use std::path::PathBuf;

use thiserror::Error;

/// The directory's name below the base directories.
const NAME: &str = "aurora-cockpit";

/// No place could be found for the cockpit's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no home directory and {variable} is not set; set it, or name a place with {option}")]
pub struct NoHome {
    /// The variable that would say where.
    variable: &'static str,
    /// The option that would.
    option: &'static str,
}

/// The settings file: `$XDG_CONFIG_HOME/aurora-cockpit/config.toml`.
///
/// # Errors
/// Where neither the variable nor a home directory is there.
pub fn settings_file() -> Result<PathBuf, NoHome> {
    let base = base("XDG_CONFIG_HOME", ".config", "--config")?;
    Ok(base.join("config.toml"))
}

/// The directory of the user's own themes: `$XDG_CONFIG_HOME/aurora-cockpit/themes`.
///
/// # Errors
/// Where neither the variable nor a home directory is there.
pub fn themes_dir() -> Result<PathBuf, NoHome> {
    Ok(base("XDG_CONFIG_HOME", ".config", "--theme FILE")?.join("themes"))
}

/// The state directory, with runs, outputs and the cockpit's own log: `$XDG_STATE_HOME/aurora-cockpit`.
///
/// # Errors
/// Where neither the variable nor a home directory is there.
pub fn state_dir() -> Result<PathBuf, NoHome> {
    base("XDG_STATE_HOME", ".local/state", "--state-dir")
}

fn base(variable: &'static str, below_home: &str, option: &'static str) -> Result<PathBuf, NoHome> {
    chosen(std::env::var_os(variable), std::env::home_dir(), below_home).ok_or(NoHome { variable, option })
}

/// A relative path in the variable is to be ignored, says the specification.
fn chosen(variable: Option<OsString>, home: Option<PathBuf>, below_home: &str) -> Option<PathBuf> {
    let named = variable.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|home| home.is_absolute()).map(|home| home.join(below_home));
    Some(named.or(home)?.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_before_the_home_directory() {
        let home = || Some(PathBuf::from("/home/ada"));
        let at_home = Some(PathBuf::from("/home/ada/.config/aurora-cockpit"));
        assert_eq!(chosen(None, home(), ".config"), at_home);
        assert_eq!(chosen(Some("".into()), home(), ".config"), at_home);
        assert_eq!(chosen(Some("relative".into()), home(), ".config"), at_home);
        assert_eq!(chosen(Some("/xdg".into()), home(), ".config"), Some(PathBuf::from("/xdg/aurora-cockpit")));
        assert_eq!(chosen(Some("/xdg".into()), None, ".config"), Some(PathBuf::from("/xdg/aurora-cockpit")));
        assert_eq!(chosen(None, None, ".config"), None);
    }
}
