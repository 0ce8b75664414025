//! What a terminal is sent to call its operator: a bell, a notification, a title.

use std::time::{Duration, Instant};

use jiff::Zoned;

use crate::app::attention::title;
use crate::app::state::State;
use crate::config::attention::Attention;

/// Ends a control string. Not by a bell, which would ring where the string is not understood.
const END: &str = "\x1b\\";

/// The shortest time between two titles. A little less than the clock's second, so that none of its ticks is missed.
const BETWEEN_TITLES: Duration = Duration::from_millis(900);

/// Calls the operator as the settings have it.
#[derive(Debug)]
pub(super) struct Caller {
    settings: Attention,
    in_tmux: bool,
    title: String,
    /// When it was last given to the window.
    titled: Option<Instant>,
}

impl Caller {
    pub(super) fn new(settings: Attention) -> Self {
        Self { settings, in_tmux: std::env::var_os("TMUX").is_some(), title: String::new(), titled: None }
    }

    /// Whether the window's title is the cockpit's.
    pub(super) fn titles(&self) -> bool {
        self.settings.title
    }

    /// The bytes that call for something at that time of day.
    pub(super) fn call(&self, text: &str, now: &Zoned) -> String {
        if self.settings.quiet.is_some_and(|quiet| quiet.hold(now.time())) {
            return String::new();
        }
        let mut bytes = String::new();
        if self.settings.notify {
            let text = plain(text);
            // iTerm2's and ConEmu's, then that of rxvt and its like: a terminal takes the one it knows.
            bytes += &self.through(&format!("\x1b]9;{text}{END}"));
            bytes += &self.through(&format!("\x1b]777;notify;aurora-cockpit;{text}{END}"));
        }
        if self.settings.bell {
            bytes.push('\x07');
        }
        bytes
    }

    /// The bytes that give the window its title, where that is another one now; once a second at most.
    pub(super) fn title(&mut self, state: &State) -> Option<String> {
        if !self.settings.title || self.titled.is_some_and(|at| at.elapsed() < BETWEEN_TITLES) {
            return None;
        }
        self.titled = Some(Instant::now());
        let title = plain(&title(state));
        if title == self.title {
            return None;
        }
        self.title = title;
        Some(format!("\x1b]2;{}{END}", self.title))
    }

    /// tmux hands on what it does not know only when it is wrapped, and `allow-passthrough` is on.
    /// <https://github.com/tmux/tmux/wiki/FAQ#what-is-the-passthrough-escape-sequence-and-how-do-i-use-it>
    fn through(&self, bytes: &str) -> String {
        if self.in_tmux { format!("\x1bPtmux;{}{END}", bytes.replace('\x1b', "\x1b\x1b")) } else { bytes.to_owned() }
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caller(in_tmux: bool, settings: Attention) -> Caller {
        Caller { settings, in_tmux, title: String::new(), titled: None }
    }

    fn at(time: &str) -> Zoned {
        format!("2026-05-14T{time}[UTC]").parse().unwrap()
    }

    #[test]
    fn a_call_is_a_notification_in_both_tongues_and_one_bell() {
        let text = "dev · 1 Snap\x1b]0;x\x07shot FAILED";
        let plain = "dev · 1 Snap]0;xshot FAILED";
        let calls = caller(false, Attention::default()).call(text, &at("12:00"));
        assert_eq!(calls, format!("\x1b]9;{plain}\x1b\\\x1b]777;notify;aurora-cockpit;{plain}\x1b\\\x07"));
        let calls = caller(true, Attention { bell: false, ..Attention::default() }).call("x", &at("12:00"));
        let wrapped =
            ["9;x", "777;notify;aurora-cockpit;x"].map(|each| format!("\x1bPtmux;\x1b\x1b]{each}\x1b\x1b\\\x1b\\"));
        assert_eq!(calls, wrapped.concat());
        let calls = caller(true, Attention { notify: false, ..Attention::default() }).call("x", &at("12:00"));
        assert_eq!(calls, "\x07");
    }

    #[test]
    fn in_quiet_hours_nobody_is_called() {
        let (config, _kept) = settings("[attention]\nquiet = \"22:00-06:00\"\n");
        let caller = caller(false, config);
        assert_eq!(caller.call("x", &at("23:30")), "");
        assert!(caller.call("x", &at("06:00")).ends_with('\x07'));
    }

    fn settings(text: &str) -> (Attention, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        (crate::config::settings::Settings::load(&path, true).unwrap().attention, directory)
    }
}
