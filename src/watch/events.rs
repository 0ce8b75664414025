//! RDS events of a cluster and its instances. They come late, out of order or not at all: nothing rests on them alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{ClusterView, Line, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::rds::{EventSource, EventView};
use crate::clients::{Aws, Trouble};
use crate::clock;
use crate::runbook::names::PartitionName;

/// How far back each look goes: as late as an event may come and still be told.
const REACH: SignedDuration = SignedDuration::from_mins(10);

/// Event ids by what their messages begin with, as the vendor's list of events has them: the API answers the message only.
const IDS: [(&str, &str); 7] = [
    ("Started cross AZ failover", "RDS-EVENT-0073"),
    ("Started same AZ failover", "RDS-EVENT-0072"),
    ("Completed failover", "RDS-EVENT-0071"),
    ("Promoting", "RDS-EVENT-0070"),
    ("DB cluster failover failed", "RDS-EVENT-0069"),
    ("DB instance restarted", "RDS-EVENT-0006"),
    ("DB instance shutdown", "RDS-EVENT-0004"),
];

/// Asks for the events that are new.
#[derive(Debug)]
pub struct Events {
    /// The partition.
    pub partition: PartitionName,
    /// Its account.
    pub aws: Arc<Aws>,
    /// The cluster.
    pub described: Described,
    /// The events that were told; what was there before the first look is told too, if it is recent.
    pub told: HashSet<(Timestamp, String, String)>,
}

impl Ask for Events {
    fn period(&self, pace: Pace) -> Duration {
        pace.heavy()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let Some(cluster) = api::cluster(&mut self.described).await else { return };
        let begun = Instant::now();
        let said = self.look(&cluster).await;
        voice.say(&self.partition, Source::Events, begun, said).await;
    }
}

impl Events {
    /// What is new, an empty list included.
    async fn look(&mut self, cluster: &ClusterView) -> Result<Reading, Trouble> {
        let since = clock::now() - REACH;
        let members = cluster.members.iter().map(|member| EventSource::Instance(member.id.clone()));
        let mut events = Vec::new();
        for source in std::iter::once(EventSource::Cluster(cluster.id.clone())).chain(members) {
            events.extend(self.aws.rds.events(&source, since).await?);
        }
        events.sort_by_key(|event| event.at);
        self.told.retain(|(at, ..)| *at >= since);
        let new = events
            .into_iter()
            .filter(|event| self.told.insert((event.at, event.source.clone(), event.message.clone())));
        Ok(Reading::Lines(new.map(line).collect()))
    }
}

fn line(event: EventView) -> Line {
    let id = IDS.iter().find(|(begins, _)| event.message.starts_with(begins)).map(|(_, id)| (*id).to_owned());
    Line { at: event.at, subject: event.source, code: id, text: event.message }
}
