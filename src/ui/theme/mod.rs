//! Colours by what they mean. Panes ask for a role (`ok`, `danger`, `stale`), never for a colour.
//!
//! A theme is a file of true colours. Terminals that have fewer get the nearest ones at the very end of a drawing, in
//! [`adapt`](super::adapt), so that no pane needs to know what the terminal can do.

mod book;
mod contrast;
mod palette;

use ratatui::style::{Color, Modifier, Style};

pub use book::{Themes, Unusable};
pub use contrast::{Pair, contrast, pairs};
pub use palette::{Bar, Palette, Rgb};

use super::adapt::{Charset, Depth};
use crate::app::banner::{Stress, Urgency};
use crate::app::live::Freshness;
use crate::app::log::LogSource;
use crate::runbook::ink::Colour;
use crate::runbook::tone::Tone;

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

impl Default for Theme {
    fn default() -> Self {
        Themes::default().theme("dark", Depth::True, Charset::Unicode)
    }
}

impl Theme {
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

    /// A program's own colour. The sixteen that every terminal has are the theme's, which can be read on its ground.
    pub fn programs(&self, colour: Colour) -> Color {
        match colour {
            Colour::Indexed(index) => {
                let own = self.palette.programs.get(usize::from(index));
                own.map_or(Color::Indexed(index), |colour| colour.0)
            }
            Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
        }
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
        let themes = Themes::default();
        for name in themes.names() {
            let theme = themes.theme(name, Depth::True, Charset::Unicode);
            for source in LogSource::ALL {
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
}
