//! What the watchers last said of a partition, each datum with its age.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::load_history::LoadHistory;
use super::statement_history::StatementHistory;
use crate::clients::Trouble;
use crate::runbook::event::FailoverMeasure;
use crate::runbook::moved::Moved;
use crate::runbook::names::InstanceId;
use crate::runbook::timeline::Timeline;
use crate::runbook::topology::{self, Agreement, Rounds};
use crate::runbook::witness::Witness;
use crate::watch::Pace;
use crate::watch::sample::{
    ClusterView, DnsView, HttpView, MetricsView, PodLog, PodsView, Reading, RightsView, Sample, SlowLogView, Source,
    SqlView, StatementsView,
};

/// The last good word of a source, and what went wrong since.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated<T> {
    /// What was said.
    pub value: T,
    /// When.
    pub at: Timestamp,
}

/// How far a datum can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Of now.
    Live,
    /// Older than it should be.
    Late,
    /// So old that it says nothing of now.
    Silent,
}

impl<T> Dated<T> {
    /// Its age.
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.at)).unwrap_or_default()
    }

    /// Its freshness, for a source that is asked every `period`.
    pub fn freshness(&self, now: Timestamp, period: Duration) -> Freshness {
        freshness(self.age(now), period)
    }
}

/// The freshness of something of this age whose source is asked every `period`.
pub fn freshness(age: Duration, period: Duration) -> Freshness {
    // A second of grace covers the asking itself.
    let grace = period * 2 + Duration::from_secs(1);
    match age {
        age if age <= grace => Freshness::Live,
        age if age <= grace * 4 => Freshness::Late,
        _ => Freshness::Silent,
    }
}

/// Time between two askings of a witness at that pace; none for what is reported and not asked for.
pub fn period(witness: &Witness, pace: Pace) -> Option<Duration> {
    match witness {
        // What happened stays happened.
        Witness::Events => None,
        Witness::ApiStatus | Witness::ApiWriter | Witness::Pods => Some(pace.metered()),
        Witness::Dns | Witness::SqlEndpoint | Witness::Writes | Witness::SqlInstance(_) | Witness::Application => {
            Some(pace.light())
        }
    }
}

/// How often a source is asked at that pace.
pub fn asked_every(source: &Source, pace: Pace) -> Duration {
    match source {
        Source::Dns | Source::SqlEndpoint | Source::SqlInstance(_) | Source::Writes | Source::App => pace.light(),
        Source::Api | Source::Load(_) | Source::Pods | Source::Metrics => pace.metered(),
        Source::Events | Source::Statements | Source::SlowLog | Source::Rights | Source::Log(_) => pace.heavy(),
    }
}

/// A partition as the watchers see it.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// The cluster by the RDS API.
    pub cluster: Option<Dated<ClusterView>>,
    /// The session through the writer endpoint.
    pub endpoint: Option<Dated<SqlView>>,
    /// A session on each instance.
    pub instances: BTreeMap<InstanceId, Dated<SqlView>>,
    /// Where the writer endpoint's name leads.
    pub dns: Option<Dated<DnsView>>,
    /// The application.
    pub http: Option<Dated<HttpView>>,
    /// Its pods.
    pub pods: Option<Dated<PodsView>>,
    /// The end of the log of the pod that most needs a look.
    pub pod_log: Option<Dated<PodLog>>,
    /// What the database role may see.
    pub rights: Option<Dated<RightsView>>,
    /// The writer's statements.
    pub statements: Option<Dated<StatementsView>>,
    /// The statements of the last minutes, and as they were before the writer moved.
    pub statement_history: StatementHistory,
    /// CloudWatch's metrics.
    pub metrics: Option<Dated<MetricsView>>,
    /// The slow statements so far, and when the log was last read.
    pub slow: Option<Dated<SlowStatements>>,
    /// The load of the instances and of the writer's role.
    pub load: LoadHistory,
    /// The witnesses' lanes.
    pub timeline: Timeline,
    /// Rounds in which everybody agreed, while an unplanned failover is under way.
    pub rounds: Rounds,
    /// Unplanned failovers that this screen measured by itself, where no session keeps them.
    pub seen: Vec<FailoverMeasure>,
    /// Sources in trouble, since when, and the last trouble.
    pub troubles: BTreeMap<Source, (Timestamp, Trouble)>,
}

/// What the slow-query log held since it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlowStatements {
    /// How many slow statements there were.
    pub count: usize,
    /// When the last one ended.
    pub last: Option<Timestamp>,
}

impl Live {
    /// Takes in a sample; answers if by it the writer moved, and no failover is drawn yet that the move belongs to.
    pub fn take(&mut self, sample: Sample) -> Option<Moved> {
        let mut moved = None;
        let testimony = sample.testimony();
        let spoken = !testimony.is_empty();
        for testimony in testimony {
            moved = self.timeline.observe(testimony).or(moved);
        }
        if spoken {
            self.follow_the_role(sample.at);
        }
        if let Ok(Reading::Cluster(cluster)) = &sample.said {
            self.timeline.observe_instances(sample.at, cluster.is_available_throughout());
        }
        self.keep(sample);
        moved
    }

    fn keep(&mut self, sample: Sample) {
        // Between its asking and its answer anything may have been waited through, a closed laptop's night as well.
        let at = sample.asked();
        let Sample { source, said, .. } = sample;
        let reading = match said {
            Ok(reading) => reading,
            Err(trouble) => {
                if let Source::Load(instance) = &source {
                    self.load.refused(instance, trouble.kind);
                }
                let since = self.troubles.get(&source).map_or(at, |(since, _)| *since);
                self.troubles.insert(source, (since, trouble));
                return;
            }
        };
        self.troubles.remove(&source);
        match reading {
            Reading::Cluster(value) => self.cluster = Some(Dated { value, at }),
            Reading::Dns(value) => self.dns = Some(Dated { value, at }),
            Reading::Http(value) => self.http = Some(Dated { value, at }),
            Reading::Pods(value) => self.pods = Some(Dated { value, at }),
            Reading::Load(view) => self.load.take(view, at),
            Reading::Statements(value) => self.take_statements(value, at),
            Reading::Sql(value) => match source {
                Source::Writes => {}
                Source::SqlInstance(id) => {
                    self.instances.insert(id, Dated { value, at });
                }
                _ => self.endpoint = Some(Dated { value, at }),
            },
            Reading::Metrics(value) => {
                value.instances.iter().for_each(|instance| self.load.take_metrics(instance));
                self.metrics = Some(Dated { value, at });
            }
            Reading::SlowLog(view) => self.take_slow(&view, at),
            Reading::PodLog(value) => self.pod_log = Some(Dated { value, at }),
            Reading::Rights(value) => self.rights = Some(Dated { value, at }),
            Reading::Lines(_) => {}
        }
    }

    /// The sources whose word is still shown, each with when it was last heard.
    pub fn heard(&self) -> Vec<(Source, Timestamp)> {
        let member = |id: &InstanceId| {
            self.cluster.as_ref().is_none_or(|cluster| cluster.value.members.iter().any(|member| member.id == *id))
        };
        let instances = self.instances.iter().filter(|(id, _)| member(id));
        // Performance Insights is asked of a reader at leisure: the writer's is what the screen goes by.
        let load = self.load.writer().zip(self.load.of_writer().and_then(|load| load.answered));
        let single = [
            (Source::Api, self.cluster.as_ref().map(|datum| datum.at)),
            (Source::Dns, self.dns.as_ref().map(|datum| datum.at)),
            (Source::SqlEndpoint, self.endpoint.as_ref().map(|datum| datum.at)),
            (Source::App, self.http.as_ref().map(|datum| datum.at)),
            (Source::Pods, self.pods.as_ref().map(|datum| datum.at)),
            (Source::Statements, self.statements.as_ref().map(|datum| datum.at)),
        ];
        let single = single.into_iter().filter_map(|(source, at)| Some((source, at?)));
        let load = load.map(|(writer, at)| (Source::Load(writer.clone()), at));
        single.chain(load).chain(instances.map(|(id, datum)| (Source::SqlInstance(id.clone()), datum.at))).collect()
    }

    /// Has the load follow the writer's role to whoever the witnesses agree on.
    fn follow_the_role(&mut self, at: Timestamp) {
        let words = self.timeline.lanes.values().map(|lane| &lane.last);
        if let Some(writer) = Agreement::of(words, at, topology::FRESH).writer {
            self.load.follow(&writer, &self.timeline, at);
        }
    }

    fn take_slow(&mut self, view: &SlowLogView, at: Timestamp) {
        let before = self.slow.as_ref().map_or_else(SlowStatements::default, |slow| slow.value);
        let last = view.lines.iter().map(|line| line.at).max().max(before.last);
        self.slow = Some(Dated { value: SlowStatements { count: before.count + view.count, last }, at });
    }

    fn take_statements(&mut self, mut value: StatementsView, at: Timestamp) {
        self.statement_history.take(&mut value, at);
        self.statements = Some(Dated { value, at });
    }
}

/// How long ago, as a signed duration cut at zero.
pub fn ago(now: Timestamp, at: Timestamp) -> SignedDuration {
    now.duration_since(at).max(SignedDuration::ZERO)
}
