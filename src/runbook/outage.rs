//! How long the writer endpoint took no writes, from probes that were sent at one time and answered at another.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::event::Disruption;
use super::timeline::after;
use super::witness::{Testimony, Witness, Word};

/// Watches writes through the writer endpoint.
///
/// A probe is sent at one time and answered at another; the truth changed somewhere between two probes. So the beginning
/// lies between the last good probe's sending and the first bad one's answer, the end between the last bad one's sending
/// and the first good one's answer. The middle of each is taken, and half of each width is the uncertainty.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct WriteWatch {
    last_good: Option<(Timestamp, Timestamp)>,
    outage: Option<Outage>,
}

#[derive(Debug, Clone, PartialEq)]
struct Outage {
    began: (Timestamp, Timestamp),
    last_bad_asked: Timestamp,
    recovered: Option<Timestamp>,
}

impl WriteWatch {
    pub(super) fn begin(&mut self) {
        self.outage = None;
    }

    pub(super) fn observe(&mut self, testimony: &Testimony) {
        if testimony.witness != Witness::SqlEndpoint {
            return;
        }
        let good = match &testimony.word {
            Word::Writer { writes, .. } => writes.unwrap_or(true),
            Word::Reader | Word::Silent { .. } => false,
            Word::Status { .. } | Word::Happened { .. } => return,
        };
        if good {
            self.last_good = Some((testimony.asked, testimony.at));
            if let Some(outage) = self.outage.as_mut().filter(|outage| outage.recovered.is_none()) {
                outage.recovered = Some(testimony.at);
            }
            return;
        }
        match &mut self.outage {
            // A relapse belongs to the same outage: users felt it as one.
            Some(outage) => {
                outage.last_bad_asked = testimony.asked;
                outage.recovered = None;
            }
            None => {
                let from = self.last_good.map_or(testimony.asked, |(asked, _)| asked);
                self.outage =
                    Some(Outage { began: (from, testimony.at), last_bad_asked: testimony.asked, recovered: None });
            }
        }
    }

    pub(super) fn down_since(&self) -> Option<Timestamp> {
        self.outage.as_ref().filter(|outage| outage.recovered.is_none()).map(|outage| middle(outage.began).0)
    }

    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.outage.as_ref().map(|outage| middle(outage.began).0)
    }

    pub(super) fn recovered_at(&self) -> Option<Timestamp> {
        let outage = self.outage.as_ref()?;
        outage.recovered.map(|at| middle((outage.last_bad_asked, at)).0)
    }

    pub(super) fn disruption(&self, now: Timestamp) -> Option<Disruption> {
        let outage = self.outage.as_ref()?;
        let (start, start_width) = middle(outage.began);
        let (end, end_width) =
            outage.recovered.map_or((now, SignedDuration::ZERO), |at| middle((outage.last_bad_asked, at)));
        Some(Disruption {
            length: after(start, end),
            uncertainty: Duration::try_from(start_width + end_width).unwrap_or_default(),
        })
    }
}

/// The middle of a span, and half its width.
fn middle((from, to): (Timestamp, Timestamp)) -> (Timestamp, SignedDuration) {
    let half = to.duration_since(from) / 2;
    (from + half, half)
}
