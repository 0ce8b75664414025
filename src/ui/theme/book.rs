//! The themes that there are: those that are shipped, and the user's own.

use std::path::Path;

use thiserror::Error;

use super::contrast::{Pair, pairs};
use super::palette::{Palette, Rgb};
use super::{Depth, Theme};
use crate::config::{self, Problems, meant};
use crate::ui::adapt::Charset;

/// The theme without any colour: words, glyphs, bold and reversed. Its file says where a ground or a frame would be.
const MONOCHROME: &str = "monochrome";

/// Every theme that can be chosen by name.
#[derive(Debug, Clone)]
pub struct Themes {
    all: Vec<(String, Palette)>,
}

/// A theme that cannot be had.
#[derive(Debug, Error)]
pub enum Unusable {
    /// There is none of that name.
    #[error("there is no theme {name}{}; there are {known}", meant.as_ref().map_or(String::new(), |meant| format!(", {meant}")))]
    Unknown {
        /// The name.
        name: String,
        /// What was probably meant.
        meant: Option<String>,
        /// The names that there are.
        known: String,
    },
    /// Its file is wrong.
    #[error(transparent)]
    File(#[from] Problems),
}

impl Default for Themes {
    /// Those that are shipped.
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the files are part of the program, and a test reads every one")]
        let read = |text| toml::from_str(text).expect("a shipped theme is well formed");
        Self { all: config::SHIPPED_THEMES.into_iter().map(|(name, text)| (name.to_owned(), read(text))).collect() }
    }
}

impl Themes {
    /// The shipped themes and those in this directory, each file `NAME.toml`. A file of a shipped one's name stands in its
    /// place.
    ///
    /// # Errors
    /// Everything that is wrong with one of them; a directory that is not there is none.
    pub fn with(directory: &Path) -> Result<Self, Problems> {
        let mut themes = Self::default();
        for (_, file) in config::theme_files(directory) {
            themes.add(&file)?;
        }
        Ok(themes)
    }

    /// Adds the theme of a file, under the file's name; that name.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn add(&mut self, file: &Path) -> Result<String, Problems> {
        let palette = config::theme(file, |text| Rgb::parse(text).is_some())?;
        let name = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        self.all.retain(|(known, _)| *known != name);
        self.all.push((name.clone(), palette));
        Ok(name)
    }

    /// The theme that is asked for by name, or by the path of its file.
    ///
    /// # Errors
    /// There is none, or its file is wrong.
    pub fn choose(&mut self, asked: &str) -> Result<String, Unusable> {
        if self.all.iter().any(|(name, _)| name == asked) {
            return Ok(asked.to_owned());
        }
        if asked.ends_with(".toml") {
            return Ok(self.add(Path::new(asked))?);
        }
        let known: Vec<&str> = self.names().collect();
        let meant = meant(asked, known.iter().copied());
        Err(Unusable::Unknown { name: asked.to_owned(), meant, known: known.join(", ") })
    }

    /// The names, in the order in which they are offered.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(name, _)| name.as_str())
    }

    /// The theme of that name for a terminal of that depth and charset; the first one where there is none.
    pub fn theme(&self, name: &str, depth: Depth, charset: Charset) -> Theme {
        let (name, palette) = self.all.iter().find(|(known, _)| known == name).unwrap_or(&self.all[0]);
        let depth = if name == MONOCHROME { Depth::None } else { depth };
        Theme { palette: palette.clone(), depth, charset }
    }

    /// Where a theme's text is harder to read than it should be, with the name of the theme.
    pub fn hard_to_read(&self, name: &str) -> Vec<Pair> {
        let palette = self.all.iter().find(|(known, _)| known == name).map(|(_, palette)| palette);
        palette.into_iter().flat_map(pairs).filter(|pair| pair.ratio() < pair.least).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn added(text: &str) -> Result<Palette, String> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine.toml"), text).unwrap();
        let prefix = format!("{}/", directory.path().display());
        let themes = Themes::with(directory.path()).map_err(|problems| problems.to_string().replace(&prefix, ""))?;
        assert!(themes.names().any(|name| name == "mine"));
        Ok(themes.theme("mine", Depth::True, Charset::Unicode).palette)
    }

    #[test]
    fn a_theme_of_ones_own_says_only_what_it_has_otherwise() {
        let mine = added("base = \"light\"\n[state]\nok = \"#003300\"\n").unwrap();
        let light = Themes::default().theme("light", Depth::True, Charset::Unicode).palette;
        assert_eq!(Some(mine.state.ok), Rgb::parse("#003300"));
        assert_eq!(mine.state.danger, light.state.danger);
    }

    #[test]
    fn everything_that_is_wrong_with_a_theme_is_said_with_its_place() {
        let message = added("base = \"ligth\"\n[state]\nok = \"green\"\ndanegr = \"#aa0000\"\n").unwrap_err();
        assert_eq!(
            message,
            "mine.toml:1:8: base: `ligth` is not known here; did you mean `light`?\n\
             mine.toml:3:6: state.ok: `green` is not a colour; write it as #rrggbb, such as \"#7ec878\"\n\
             mine.toml:4:1: state.danegr: unknown key; did you mean `danger`?\n\
             3 problems; nothing was started."
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_a_suggestion() {
        let message = Themes::default().choose("drak").unwrap_err().to_string();
        assert!(
            message.starts_with("there is no theme drak, did you mean `dark`?; there are dark, light"),
            "{message}"
        );
    }
}
