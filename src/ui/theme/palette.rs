//! The colours of a theme file, by what they mean.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// The colours of a theme file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    /// The shipped theme that holds where this file says nothing; `dark` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
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
    /// Stretches of lanes.
    pub lane: Lanes,
    /// Wait events.
    pub waits: Waits,
    /// Sources of log lines, by name.
    pub source: BTreeMap<String, Rgb>,
    /// The sixteen colours of programs, from black to bright white, as they can be read on the screen's ground.
    pub programs: [Rgb; 16],
}

macro_rules! roles {
    ($(#[$doc:meta])* $name:ident { $($(#[$role_doc:meta])* $role:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$role_doc])* pub $role: Rgb),+ }

        impl $name {
            /// The roles by name, in the file's order.
            pub fn roles(&self) -> Vec<(&'static str, Rgb)> {
                vec![$((stringify!($role), self.$role)),+]
            }
        }
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

/// A lane's stretches, by what they mean for a failover.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lanes {
    /// Names the writer from before.
    pub old: Bar,
    /// Names another writer.
    pub new: Bar,
    /// Well.
    pub good: Bar,
    /// On the move.
    pub moving: Bar,
    /// Down.
    pub down: Bar,
    /// Says nothing on it.
    pub neutral: Bar,
}

/// Colours of wait events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waits {
    /// By name, such as `Lock:tuple`.
    pub known: BTreeMap<String, Rgb>,
    /// For all others: each always has the same one.
    pub others: Vec<Rgb>,
}

/// A colour as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub Color);

impl<'de> Deserialize<'de> for Rgb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a colour; write it as #rrggbb, such as \"#7ec878\""))
        })
    }
}

impl JsonSchema for Rgb {
    fn schema_name() -> Cow<'static, str> {
        "Colour".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^#[0-9a-fA-F]{6}$", "description": "a colour as `#rrggbb`" })
    }
}

impl Rgb {
    /// A colour as it is written in a theme file; none if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        u32::from_str_radix(digits, 16).ok().map(|value| Self(Color::from_u32(value)))
    }

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
