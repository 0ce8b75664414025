//! The load of the writer's role over time, whichever instance holds it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::runbook::names::InstanceId;
use crate::watch::sample::{LoadPoint, LoadView};

/// Load points kept for each partition: half an hour of seconds.
const LOAD_POINTS: usize = 1800;

/// The load of the writer's role over time, whichever instance holds it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadHistory {
    /// Points by the end of their period.
    pub points: BTreeMap<Timestamp, LoadPoint>,
    /// When the series was bound to another instance: the seams of the drawing.
    pub seams: Vec<Timestamp>,
    /// The instance it is bound to.
    pub instance: Option<InstanceId>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// When Performance Insights last answered.
    pub answered: Option<Timestamp>,
}

impl LoadHistory {
    pub(super) fn take(&mut self, view: LoadView, at: Timestamp) {
        self.answered = Some(at);
        self.vcpus = view.vcpus;
        if self.instance.as_ref().is_some_and(|bound| *bound != view.instance) {
            self.seams.push(at);
        }
        let rebound = self.instance.as_ref() != Some(&view.instance);
        let begin = self.seams.last().copied();
        self.instance = Some(view.instance);
        for point in view.points {
            // After a flip the new writer's past is not the role's past: what was drawn before the seam stays.
            if begin.is_some_and(|begin| point.at < begin) && (rebound || self.points.contains_key(&point.at)) {
                continue;
            }
            self.points.insert(point.at, point);
        }
        while self.points.len() > LOAD_POINTS {
            self.points.pop_first();
        }
    }

    /// The points of the last `span`, oldest first.
    pub fn since(&self, from: Timestamp) -> impl Iterator<Item = &LoadPoint> {
        self.points.range(from..).map(|(_, point)| point)
    }
}
