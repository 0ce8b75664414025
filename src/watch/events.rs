//! RDS events of the clusters of an account and region, and of their instances, in one question for all. They come late, out of order or not at all: nothing rests on them alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{ClusterView, Line, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::rds::EventView;
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
    /// The account.
    pub aws: Arc<Aws>,
    /// The partitions and their clusters.
    pub clusters: Vec<(PartitionName, Described)>,
    /// The events that were told; what was there before the first look is told too, if it is recent.
    pub told: HashSet<(Timestamp, String, String)>,
}

impl Ask for Events {
    fn period(&self, pace: Pace) -> Duration {
        pace.heavy()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        api::clusters(self.clusters.iter_mut().map(|(_, described)| described)).await;
        let known = |(partition, described): &(PartitionName, Described)| {
            let cluster = described.borrow().clone()?;
            Some((partition.clone(), cluster))
        };
        let clusters: Vec<(PartitionName, Arc<ClusterView>)> = self.clusters.iter().filter_map(known).collect();
        if clusters.is_empty() {
            return;
        }
        let begun = Instant::now();
        let mut said = self.look(&clusters).await;
        for (partition, _) in &clusters {
            let said = match &mut said {
                Ok(lines) => Ok(Reading::Lines(lines.remove(partition).unwrap_or_default())),
                Err(trouble) => Err(trouble.clone()),
            };
            voice.say(partition, Source::Events, begun, said).await;
        }
    }
}

impl Events {
    /// What is new, by partition.
    async fn look(
        &mut self,
        clusters: &[(PartitionName, Arc<ClusterView>)],
    ) -> Result<HashMap<PartitionName, Vec<Line>>, Trouble> {
        let since = clock::now() - REACH;
        let events = self.aws.rds.all_events(since).await?;
        let mut whose: HashMap<String, &PartitionName> = HashMap::new();
        for (partition, cluster) in clusters {
            let members = cluster.members.iter().map(|member| member.id.as_str());
            whose.extend(members.chain([cluster.id.as_str()]).map(|id| (id.to_lowercase(), partition)));
        }
        self.told.retain(|(at, ..)| *at >= since);
        let mut new: HashMap<PartitionName, Vec<Line>> = HashMap::new();
        for event in events {
            // Of other clusters of the account, the plan says nothing.
            let Some(partition) = whose.get(&event.source.to_lowercase()) else { continue };
            if self.told.insert((event.at, event.source.clone(), event.message.clone())) {
                new.entry((*partition).clone()).or_default().push(line(event));
            }
        }
        Ok(new)
    }
}

fn line(event: EventView) -> Line {
    let id = IDS.iter().find(|(begins, _)| event.message.starts_with(begins)).map(|(_, id)| (*id).to_owned());
    Line { at: event.at, subject: event.source, code: id, text: event.message }
}
