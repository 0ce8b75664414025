//! How the cockpit calls an operator who looks elsewhere, as the settings have it.
//!
//! ```toml
//! [attention]
//! bell = true
//! notify = true
//! title = true
//! quiet = "22:00-06:00"
//! ```

use jiff::civil::Time;
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Wrong;

/// How the operator is called. What is left out of the file is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// Whether the terminal's bell rings.
    pub bell: bool,
    /// Whether the desktop is asked to notify.
    pub notify: bool,
    /// Whether the window's title says where the rollout stands.
    pub title: bool,
    /// Hours in which neither rings nor notifies, by this machine's own zone.
    pub quiet: Option<Hours>,
}

impl Default for Attention {
    fn default() -> Self {
        Self { bell: true, notify: true, title: true, quiet: None }
    }
}

/// A stretch of the day, over midnight too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: Time,
    to: Time,
}

impl Hours {
    /// Whether a time of day is in it; its end is not.
    pub fn hold(self, time: Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }

    /// Reads `22:00-06:00`.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number(hour) || !is_number(minute) {
                return None;
            }
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let hours = text.split_once('-').and_then(|(from, to)| Some(Self { from: time(from)?, to: time(to)? }));
        let help = Some("write them like `22:00-06:00`".to_owned());
        match hours {
            Some(hours) if hours.from != hours.to => Ok(hours),
            Some(_) => Err(Wrong { message: format!("`{text}` begins when it ends"), help }),
            None => Err(Wrong { message: format!("`{text}` are no hours of the day"), help }),
        }
    }
}

/// The same as it is written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttentionFile {
    /// `false`: the terminal's bell is silent.
    bell: Option<bool>,
    /// `false`: the desktop is not asked to notify.
    notify: Option<bool>,
    /// `false`: the window keeps its title.
    title: Option<bool>,
    /// Hours in which there is neither bell nor notification, such as `22:00-06:00`.
    quiet: Option<String>,
}

impl AttentionFile {
    pub(super) fn attention(&self) -> Attention {
        Attention {
            bell: self.bell != Some(false),
            notify: self.notify != Some(false),
            title: self.title != Some(false),
            quiet: self.quiet.as_deref().and_then(|text| Hours::parse(text).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hours_go_over_midnight() {
        let at = |hour, minute| Time::constant(hour, minute, 0, 0);
        let night = Hours::parse("22:00-06:00").unwrap();
        let held = [at(21, 59), at(22, 0), at(0, 0), at(5, 59), at(6, 0)].map(|time| night.hold(time));
        assert_eq!(held, [false, true, true, true, false]);
        let noon = Hours::parse("12:00 - 13:30").unwrap();
        assert_eq!([at(11, 59), at(12, 0), at(13, 30)].map(|time| noon.hold(time)), [false, true, false]);
        for wrong in ["22-6", "22:00", "25:00-06:00", "22:00-22:00", "+2:00-06:00", "22:00-06:60"] {
            assert!(Hours::parse(wrong).is_err(), "{wrong}");
        }
    }
}
