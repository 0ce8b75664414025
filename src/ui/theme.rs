//! Colours by what they mean. Panes ask for a role (`ok`, `danger`, `stale`), never for a colour.
//!
//! A theme is a file of true colours. Terminals that have fewer get the nearest ones at the very end of a drawing, in
//! [`adapt`](super::adapt), so that no pane needs to know what the terminal can do.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Deserializer};

use super::adapt::{Charset, Depth};
use crate::app::banner::{Stress, Urgency};
use crate::app::live::Freshness;
use crate::app::log::LogSource;
use crate::watch::Tone;

const DARK: &str = include_str!("../../themes/dark.toml");
const HIGH_CONTRAST: &str = include_str!("../../themes/high-contrast.toml");

/// The themes that are shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// A dark ground, three greys, one accent.
    #[default]
    Dark,
    /// White on black.
    HighContrast,
    /// No colour at all: words, glyphs, bold and reversed.
    Monochrome,
}

impl ThemeName {
    /// Every theme with the name by which it is chosen.
    pub const ALL: [(&'static str, Self); 3] =
        [("dark", Self::Dark), ("high-contrast", Self::HighContrast), ("monochrome", Self::Monochrome)];

    /// The theme of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, theme)| theme)
    }
}

/// Colours by role, and what the terminal can show.
#[derive(Debug, Clone)]
pub struct Theme {
    /// The colours.
    pub palette: Palette,
    /// How many colours the terminal has.
    pub depth: Depth,
    /// Which characters it can show.
    pub charset: Charset,
}

/// The colours of a theme file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    /// Grounds.
    pub ground: Grounds,
    /// Text.
    pub text: Texts,
    /// Frames.
    pub frame: Frames,
    /// States.
    pub state: States,
    /// Badges of the header.
    pub badge: Badges,
    /// Grounds of the sentence under the header.
    pub banner: Banners,
    lane: Lanes,
    waits: Waits,
    source: BTreeMap<String, Rgb>,
}

macro_rules! roles {
    ($(#[$doc:meta])* $name:ident { $($(#[$role_doc:meta])* $role:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$role_doc])* pub $role: Rgb),+ }
    };
}

roles!(
    /// Grounds.
    Grounds {
        /// Of the screen.
        screen,
        /// Of header and footer.
        bar,
        /// Of dialogs.
        dialog,
        /// Of the marked row.
        marked,
        /// Of the focused button.
        selected,
        /// Text on a badge or a focused button.
        ink,
    }
);
roles!(
    /// Text.
    Texts {
        /// What it is about.
        strong,
        /// As usual.
        plain,
        /// Beside the point.
        faint,
        /// Does nothing now.
        ghost,
    }
);
roles!(
    /// Frames.
    Frames {
        /// As usual.
        calm,
        /// Of the pane that has the keys.
        focus,
        /// Of everything that touches production.
        production,
    }
);
roles!(
    /// States.
    States {
        /// Keys, and what can be done.
        accent,
        /// As it should be.
        ok,
        /// Under way.
        running,
        /// Waits for a person.
        waiting,
        /// Not as it should be.
        danger,
        /// To be minded.
        mind,
        /// Older than it should be.
        stale,
        /// So old that it says nothing of now.
        silent,
    }
);
roles!(
    /// Badges.
    Badges {
        /// The session holds the controls.
        operator,
        /// It only looks.
        monitor,
        /// The site is simulated.
        simulated,
    }
);
roles!(
    /// Grounds of the sentence.
    Banners {
        /// Nothing to do.
        calm,
        /// A step can be fired.
        ready,
        /// Something runs.
        running,
        /// Waits for a person.
        waiting,
        /// Something is wrong.
        trouble,
    }
);
roles!(
    /// A stretch of a lane.
    Bar {
        /// Its ground.
        ground,
        /// The word inside.
        ink,
    }
);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lanes {
    old: Bar,
    new: Bar,
    good: Bar,
    moving: Bar,
    down: Bar,
    neutral: Bar,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waits {
    known: BTreeMap<String, Rgb>,
    others: Vec<Rgb>,
}

/// A colour as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub Color);

impl<'de> Deserialize<'de> for Rgb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        value.map(|value| Self(Color::from_u32(value))).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a colour; write it as #rrggbb, such as \"#7ec878\""))
        })
    }
}

impl Rgb {
    /// As the colour of text.
    pub fn ink(self) -> Style {
        Style::new().fg(self.0)
    }

    /// As the colour of bold text.
    pub fn bold(self) -> Style {
        self.ink().add_modifier(Modifier::BOLD)
    }

    /// As a ground.
    pub fn ground(self) -> Style {
        Style::new().bg(self.0)
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::new(ThemeName::Dark, Depth::True, Charset::Unicode)
    }
}

impl Theme {
    /// A shipped theme for a terminal of that depth and charset.
    pub fn new(name: ThemeName, depth: Depth, charset: Charset) -> Self {
        let (source, depth) = match name {
            ThemeName::Dark => (DARK, depth),
            ThemeName::HighContrast => (HIGH_CONTRAST, depth),
            ThemeName::Monochrome => (DARK, Depth::None),
        };
        #[expect(clippy::expect_used, reason = "the file is part of the program, and a test reads every one")]
        let palette = toml::from_str(source).expect("a shipped theme is well formed");
        Self { palette, depth, charset }
    }

    /// Plain text.
    pub fn plain(&self) -> Style {
        self.palette.text.plain.ink()
    }

    /// What it is about.
    pub fn strong(&self) -> Style {
        self.palette.text.strong.bold()
    }

    /// Bright without being bold.
    pub fn bright(&self) -> Style {
        self.palette.text.strong.ink()
    }

    /// Beside the point.
    pub fn faint(&self) -> Style {
        self.palette.text.faint.ink()
    }

    /// Does nothing now.
    pub fn ghost(&self) -> Style {
        self.palette.text.ghost.ink()
    }

    /// Keys, and what can be done.
    pub fn accent(&self) -> Style {
        self.palette.state.accent.ink()
    }

    /// As it should be.
    pub fn ok(&self) -> Style {
        self.palette.state.ok.ink()
    }

    /// Under way.
    pub fn running(&self) -> Style {
        self.palette.state.running.ink()
    }

    /// To be minded.
    pub fn mind(&self) -> Style {
        self.palette.state.mind.ink()
    }

    /// Not as it should be.
    pub fn danger(&self) -> Style {
        self.palette.state.danger.ink()
    }

    /// Waits for a person.
    pub fn waiting(&self) -> Style {
        self.palette.state.waiting.ink()
    }

    /// Text on a coloured ground: a badge, a focused button.
    pub fn badge(&self, ground: Rgb) -> Style {
        let style = self.palette.ground.ink.bold().bg(ground.0);
        // Without colours a badge is a badge by being reversed.
        if self.depth == Depth::None { style.add_modifier(Modifier::REVERSED) } else { style }
    }

    /// How a datum of this freshness is drawn whose own style, were it of now, is `live`. Nothing old is green.
    pub fn aged(&self, live: Style, freshness: Freshness) -> Style {
        match freshness {
            Freshness::Live => live,
            Freshness::Late => self.palette.state.stale.ink(),
            Freshness::Silent => self.palette.state.silent.ink(),
        }
    }

    /// How an age is drawn.
    pub fn age(&self, freshness: Freshness) -> Style {
        match freshness {
            Freshness::Live => self.faint(),
            Freshness::Late => self.palette.state.stale.ink(),
            Freshness::Silent => self.danger(),
        }
    }

    /// A stretch of a lane.
    pub fn lane(&self, tone: Tone) -> &Bar {
        let lanes = &self.palette.lane;
        match tone {
            Tone::Old => &lanes.old,
            Tone::New => &lanes.new,
            Tone::Good => &lanes.good,
            Tone::Moving => &lanes.moving,
            Tone::Down => &lanes.down,
            Tone::Neutral => &lanes.neutral,
        }
    }

    /// The colour of a wait event: the same all night, and the next night.
    pub fn wait(&self, name: &str) -> Color {
        let waits = &self.palette.waits;
        if let Some(known) = waits.known.get(name) {
            return known.0;
        }
        // FNV-1a: stable across runs and versions, which the standard hasher does not promise.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let count = waits.others.len().max(1) as u64;
        waits.others.get((hash % count) as usize).map_or(Color::Reset, |colour| colour.0)
    }

    /// The colour of a source of log lines.
    pub fn source(&self, source: LogSource) -> Style {
        self.palette.source.get(source.name()).map_or_else(|| self.plain(), |colour| colour.ink())
    }

    /// The words of the sentence.
    pub fn stress(&self, stress: Stress) -> Style {
        match stress {
            Stress::Plain => self.plain(),
            Stress::Strong => self.strong(),
            Stress::Faint => self.faint(),
            Stress::Bad => self.palette.state.danger.bold(),
            Stress::Mind => self.palette.state.mind.bold(),
            Stress::Good => self.ok(),
        }
    }

    /// The ground of the sentence.
    pub fn urgency(&self, urgency: Urgency) -> Rgb {
        let banner = &self.palette.banner;
        match urgency {
            Urgency::Calm => banner.calm,
            Urgency::Ready => banner.ready,
            Urgency::Running => banner.running,
            Urgency::Waiting => banner.waiting,
            Urgency::Trouble => banner.trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_theme_is_well_formed() {
        for (name, theme) in ThemeName::ALL {
            let theme = Theme::new(theme, Depth::True, Charset::Unicode);
            for source in [
                LogSource::Cockpit,
                LogSource::Program,
                LogSource::Rds,
                LogSource::Sql,
                LogSource::Slow,
                LogSource::Dns,
                LogSource::App,
                LogSource::Pods,
            ] {
                assert!(theme.palette.source.contains_key(source.name()), "{name} has no colour for {}", source.name());
            }
        }
    }

    #[test]
    fn a_wait_event_keeps_its_colour() {
        let theme = Theme::default();
        assert_eq!(theme.wait("CPU"), Color::Rgb(0x7e, 0xc8, 0x78));
        assert_eq!(theme.wait("IPC:BgWorkerStartup"), theme.wait("IPC:BgWorkerStartup"));
        assert_ne!(theme.wait("Lock:tuple"), theme.wait("Lock:transactionid"));
    }

    #[test]
    fn nothing_old_is_green() {
        let theme = Theme::default();
        for freshness in [Freshness::Late, Freshness::Silent] {
            assert_ne!(theme.aged(theme.ok(), freshness).fg, theme.ok().fg);
        }
    }

    #[test]
    fn a_wrong_colour_is_refused_with_a_hint() {
        let wrong = DARK.replacen("#0e1218", "blackish", 1);
        let error = toml::from_str::<Palette>(&wrong).expect_err("not a colour").to_string();
        assert!(error.contains("write it as #rrggbb"), "{error}");
    }
}
