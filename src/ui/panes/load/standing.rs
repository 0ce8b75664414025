//! How an instance stands with Performance Insights, and what to do where it is not well: off, no permission, no load and
//! trouble are four different things.

use jiff::Timestamp;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Slot;
use crate::app::live::Live;
use crate::app::load_history::{Held, InstanceLoad, Resolution};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::InstanceId;
use crate::ui::{format, symbols};
use crate::watch::sample::Source;

/// How far back an instance must have been without a session to be without load.
const IDLE: jiff::SignedDuration = jiff::SignedDuration::from_mins(4);

/// How an instance stands with Performance Insights.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'a> {
    /// It has not answered yet.
    NotAsked,
    /// It measures.
    Measured,
    /// It measures, and there is nothing.
    Idle(&'a InstanceId),
    /// It is off on this instance.
    Off(&'a InstanceId, &'a InstanceLoad),
    /// The session may not ask.
    Denied(&'a Trouble, bool),
    /// It does not answer as it should, since then.
    Trouble(Timestamp, &'a Trouble),
}

/// The standing of any instance that is not well, while nobody knows the writer.
pub(super) fn any_trouble(live: &Live) -> Option<Standing<'_>> {
    let instance = live.troubles.keys().find_map(|source| match source {
        Source::Load(instance) => Some(instance),
        _ => None,
    })?;
    Some(Standing::of(live, instance))
}

impl<'a> Standing<'a> {
    /// The standing of an instance.
    pub fn of(live: &'a Live, instance: &'a InstanceId) -> Self {
        static UNKNOWN: std::sync::LazyLock<InstanceLoad> = std::sync::LazyLock::new(InstanceLoad::default);
        let load = live.load.instances.get(instance).unwrap_or(&UNKNOWN);
        match live.troubles.get(&Source::Load(instance.clone())) {
            Some((_, trouble)) if trouble.kind == TroubleKind::NotFound => Self::Off(instance, load),
            Some((_, trouble)) if trouble.kind == TroubleKind::Denied => Self::Denied(trouble, load.by_cloudwatch()),
            Some((since, trouble)) => Self::Trouble(*since, trouble),
            None => match load.newest() {
                None => Self::NotAsked,
                Some(newest) => {
                    let lately = live.load.of_instance(instance, Resolution::Seconds, (newest - IDLE, newest));
                    let idle = lately.iter().all(|point| point.total() <= 0.0);
                    // The load comes to a new writer with its sessions: what it did not have as a reader says nothing.
                    let is_new = |seam: &Held| seam.by == *instance && seam.since > newest - IDLE;
                    if idle && !live.load.seams().iter().any(is_new) { Self::Idle(instance) } else { Self::Measured }
                }
            },
        }
    }

    /// What it is, and what to do about it: the cause first.
    pub fn words(&self, slot: &Slot<'_>, room: Rect) -> Vec<(String, Style)> {
        let theme = slot.theme;
        match self {
            Self::NotAsked => vec![("Performance Insights has not answered yet.".to_owned(), theme.faint())],
            Self::Measured => Vec::new(),
            Self::Idle(instance) => vec![
                (format!("no load: no session was active on {} in 4 min", slot.short(instance)), theme.plain()),
                ("Performance Insights answers, and measures zero.".to_owned(), theme.faint()),
            ],
            Self::Off(instance, load) => {
                let command = format!(
                    "aws rds modify-db-instance --db-instance-identifier {instance} --enable-performance-insights"
                );
                let (what, means) = if load.by_cloudwatch() {
                    ("CloudWatch's DBLoad of before", "it comes from Performance Insights too")
                } else {
                    ("no load is measured", "CloudWatch's DBLoad comes from it too")
                };
                vec![
                    (
                        format!("{} Performance Insights is off on {}: {what}", symbols::STALE, slot.short(instance)),
                        theme.mind(),
                    ),
                    (format!("{means}. Switch it on, without a restart:"), theme.plain()),
                    (command, theme.bright()),
                ]
            }
            Self::Denied(trouble, curve) => {
                let profile = slot.state.looked_at().0.aws.profile.clone().unwrap_or_else(|| "this session".to_owned());
                let mut words = vec![(
                    format!("{} no permission: {profile} may not call {}", symbols::MIND, trouble.call),
                    theme.mind(),
                )];
                if *curve {
                    words.push((
                        "shown: DBLoad by CloudWatch, whole minutes, a minute late, no wait events".to_owned(),
                        theme.plain(),
                    ));
                }
                words.push((
                    "Ask for the policy AmazonRDSPerformanceInsightsReadOnly; it is tried again every minute."
                        .to_owned(),
                    theme.plain(),
                ));
                if !*curve && room.height > 6 {
                    words.push((trouble.to_string(), theme.faint()));
                }
                words
            }
            Self::Trouble(since, trouble) => {
                let age = format::age_in_seconds(slot.state.since(*since));
                let (what, next) = match trouble.kind {
                    TroubleKind::Throttled => ("is throttled", "it is asked less often until it answers again"),
                    TroubleKind::SignedOut => ("is signed out", "sign in: !"),
                    TroubleKind::Unreachable => ("is not reached", "look at the network; it is asked again and again"),
                    _ => ("does not answer as it should", "it is asked again and again"),
                };
                vec![
                    (
                        format!("{} Performance Insights {what} for {age}: what is drawn is of before", symbols::MIND),
                        theme.mind(),
                    ),
                    (format!("{next} · {trouble}"), theme.faint()),
                ]
            }
        }
    }

    /// The same in one line.
    pub fn line(&self, slot: &Slot<'_>) -> Option<(String, Style)> {
        self.words(slot, Rect::default()).into_iter().next()
    }
}
