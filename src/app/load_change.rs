//! The load before and after the last flip: means over two stretches of the same length on either side of the seam.

use jiff::{SignedDuration, Timestamp};

use super::load_history::{LoadHistory, Resolution, length, means};
use crate::runbook::names::InstanceId;
use crate::watch::sample::LoadPoint;

/// The longest stretch that is compared.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The shortest: below it, a mean says little.
const SHORTEST: SignedDuration = SignedDuration::from_secs(5);

/// The load before and after a flip.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadChange {
    /// When the role moved.
    pub seam: Timestamp,
    /// The writer before.
    pub from: InstanceId,
    /// The writer after.
    pub to: InstanceId,
    /// Length of each of the two stretches.
    pub stretch: SignedDuration,
    /// Of how much of each there are figures.
    pub measured: (SignedDuration, SignedDuration),
    /// Average active sessions in all.
    pub all: (f64, f64),
    /// The same by wait event, the heaviest on either side first.
    pub waits: Vec<(String, f64, f64)>,
}

/// Why there is nothing to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoChange {
    /// The role has not moved.
    NotMoved,
    /// Too little time has gone by since, or nothing is known of it yet.
    TooSoon {
        /// When the role moved.
        seam: Timestamp,
    },
    /// Nothing is known of the time before.
    NothingBefore {
        /// When the role moved.
        seam: Timestamp,
    },
}

impl LoadChange {
    /// Compares the two sides of the last flip: second by second where that is known for long enough, else by the minute.
    ///
    /// # Errors
    /// There is nothing to compare (yet).
    pub fn of(history: &LoadHistory, now: Timestamp) -> Result<Self, NoChange> {
        let [.., before, after] = history.role.as_slice() else { return Err(NoChange::NotMoved) };
        let sides = [Resolution::Seconds, Resolution::Minutes].map(|resolution| {
            let side = |span| -> Vec<LoadPoint> {
                let points = history.of_role(resolution, span).into_iter();
                points.map(std::borrow::Cow::into_owned).collect()
            };
            let (from, to) = ((after.since - LONGEST).max(before.since), (after.since + LONGEST).min(now));
            let mut old = side((from, after.since));
            old.retain(|point| point.at - length(point) / 2 < after.since);
            let mut new = side((after.since, to));
            new.retain(|point| point.at - length(point) / 2 >= after.since);
            (reach(&old, &new, after.since), old, new)
        });
        let [seconds, minutes] = sides;
        let known = |sides: &(SignedDuration, Vec<_>, Vec<_>)| !sides.1.is_empty();
        if !known(&seconds) && !known(&minutes) {
            return Err(NoChange::NothingBefore { seam: after.since });
        }
        let (stretch, old, new) = if minutes.0 > seconds.0 * 2 { minutes } else { seconds };
        if stretch < SHORTEST {
            return Err(NoChange::TooSoon { seam: after.since });
        }
        let old: Vec<_> = old.iter().filter(|point| point.at > after.since - stretch).collect();
        let new: Vec<_> = new.iter().filter(|point| point.at - length(point) < after.since + stretch).collect();
        let too_soon = NoChange::TooSoon { seam: after.since };
        let by_wait = [&old, &new].map(|side| means(side.iter().copied()));
        let [Some(then), Some(now)] = by_wait else { return Err(too_soon) };
        let mut names: Vec<&String> = then.keys().chain(now.keys()).collect();
        names.sort();
        names.dedup();
        let of = |side: &std::collections::BTreeMap<String, f64>, name| side.get(name).copied().unwrap_or_default();
        let mut waits: Vec<_> = names.into_iter().map(|name| (name.clone(), of(&then, name), of(&now, name))).collect();
        waits.sort_by(|one, two| two.1.max(two.2).total_cmp(&one.1.max(one.2)));
        let measured = |side: &[&LoadPoint]| side.iter().fold(SignedDuration::ZERO, |sum, point| sum + length(point));
        Ok(Self {
            seam: after.since,
            from: before.by.clone(),
            to: after.by.clone(),
            stretch,
            measured: (measured(&old), measured(&new)),
            all: (then.values().sum(), now.values().sum()),
            waits,
        })
    }
}

/// How far both sides reach from the seam.
fn reach(old: &[LoadPoint], new: &[LoadPoint], seam: Timestamp) -> SignedDuration {
    let (Some(oldest), Some(newest)) = (old.first(), new.last()) else { return SignedDuration::ZERO };
    let back = seam.duration_since(oldest.at - length(oldest));
    let forth = newest.at.duration_since(seam);
    // Whole seconds: the stretch is named on the screen.
    SignedDuration::from_secs(back.min(forth).min(LONGEST).as_secs().max(0))
}
