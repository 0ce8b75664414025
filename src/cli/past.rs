//! A run's past: its events and what was recorded beside them, by time. Replay and report go through it.

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::app::live::Live;
use crate::app::load_history::{Resolution, length};
use crate::app::state::{Mode, State};
use crate::app::update::{Message, update};
use crate::journal::{self, RunEntry};
use crate::report::picture::{Load, Picture};
use crate::runbook::event::{Event, Record};
use crate::runbook::names::PartitionName;
use crate::runbook::state::Run;
use crate::session;
use crate::watch::Sample;
use crate::watch::recording;

/// How far the load is drawn before a failover's T=0 and after its end.
const AROUND: SignedDuration = SignedDuration::from_secs(180);

/// A run's past.
pub(super) struct Past {
    /// How it began.
    pub begun: State,
    /// Its events.
    pub records: Vec<Record>,
    /// What was seen and written, by time. The first event made the run.
    pub items: Vec<(Timestamp, Item)>,
}

/// Something that happened.
pub(super) enum Item {
    /// An event of the run.
    Record(Box<Record>),
    /// What a watcher saw.
    Sample(Box<Sample>),
}

impl Item {
    /// What the state is told of it.
    pub fn message(&self) -> Message {
        match self {
            Self::Record(record) => Message::Record(Record::clone(record)),
            Self::Sample(sample) => Message::Sample(sample.clone()),
        }
    }
}

impl Past {
    /// The past of a run, as its directory has it.
    pub fn read(entry: &RunEntry) -> Result<Self, Failure> {
        let contents = journal::read(&entry.journal()).map_err(Failure::failed)?;
        Self::until(entry, &contents.entries)
    }

    /// The past of a run as far as these records of its journal go.
    pub fn until(entry: &RunEntry, lines: &[journal::Entry]) -> Result<Self, Failure> {
        let records = session::records(lines).map_err(Failure::failed)?;
        if records.is_empty() {
            return Err(Failure::failed(format!("run {} has no events", entry.id)));
        }
        Self::of(records, recording::read(&entry.directory))
    }

    /// Of these records, of which there is one at least.
    pub fn of(records: Vec<Record>, samples: Vec<Sample>) -> Result<Self, Failure> {
        let first = records.first().cloned().ok_or_else(|| Failure::failed("there is no event"))?;
        let (from, last) = (first.at, records.last().map_or(first.at, |record| record.at));
        let begun = State::new(Run::begin(first).map_err(Failure::failed)?, Mode::Monitor(None), from);
        let seen = samples.into_iter().map(|sample| (sample.at, Item::Sample(Box::new(sample))));
        let written = records.iter().skip(1).map(|record| (record.at, Item::Record(Box::new(record.clone()))));
        // What was seen after the last event belongs to nothing that is told.
        let mut items: Vec<_> = written.chain(seen.filter(|(at, _)| *at <= last)).collect();
        // Stable: of the same moment, the event comes first.
        items.sort_by_key(|(at, _)| *at);
        Ok(Self { begun, records, items })
    }

    /// When it ends.
    pub fn to(&self) -> Timestamp {
        self.records.last().map_or(self.begun.now, |record| record.at)
    }

    /// What can be drawn of its failovers.
    pub fn pictures(&self) -> Vec<Picture> {
        let mut state = self.begun.clone();
        let mut pictures = Vec::new();
        let mut awaited: Vec<(usize, PartitionName)> = Vec::new();
        for (at, item) in &self.items {
            let is_over = |picture: &Picture| *at > picture.over + AROUND;
            awaited.retain(|(index, partition)| {
                let picture: &mut Picture = &mut pictures[*index];
                if !is_over(picture) {
                    return true;
                }
                picture.load = load_around(state.live.get(partition), picture);
                false
            });
            state.now = *at;
            update(&mut state, item.message(), "");
            if let Item::Record(record) = item
                && let Event::FailoverMeasured { partition, .. } = &record.event
                && let Some(live) = state.live.get(partition).filter(|live| !live.timeline.lanes.is_empty())
            {
                awaited.push((pictures.len(), partition.clone()));
                let (timeline, load) = (live.timeline.clone(), Load::default());
                pictures.push(Picture { partition: partition.clone(), timeline, over: *at, load });
            }
        }
        for (index, partition) in awaited {
            pictures[index].load = load_around(state.live.get(&partition), &pictures[index]);
        }
        pictures
    }
}

/// The load of the writer's role around a failover.
fn load_around(live: Option<&Live>, picture: &Picture) -> Load {
    let (Some(live), Some(zero)) = (live, &picture.timeline.zero) else { return Load::default() };
    let span = (zero.at - AROUND, picture.over + AROUND);
    let series = live.load.of_role(Resolution::Seconds, span);
    let points = series.iter().map(|point| (point.at, (length(point).as_secs_f64(), point.by_wait.clone())));
    Load { points: points.collect(), vcpus: live.load.of_writer().and_then(|load| load.vcpus(picture.over)) }
}
