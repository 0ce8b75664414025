//! The ends that a failover can come to that are not good ones.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::watched::{Watch, fresh};
use super::{DESCRIBE, Move};
use crate::clients::Trouble;
use crate::clients::rds::ClusterView;
use crate::clock;
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Outcome};
use crate::runbook::names::InstanceId;
use crate::runbook::timeline::Lane;
use crate::runbook::witness::{Witness, Word};
use crate::steps::act::Act;
use crate::steps::context::Stop;
use crate::steps::diagnosis;

/// How long an application may go on answering 5xx once the cluster is well: HikariCP's connectionTimeout, after which a pool
/// that heals by itself has let go of its dead connections.
const APPLICATION_HEALS: SignedDuration = SignedDuration::from_secs(30);

/// RDS did not take the call.
pub(super) async fn refused(act: &Act, writer: &InstanceId, trouble: &Trouble) -> Finding {
    let cluster = act.cluster().await.ok();
    if !trouble.is_code("InvalidDBClusterStateFault") && !trouble.is_code("InvalidDBInstanceState") {
        return diagnosis::of_trouble(act, trouble);
    }
    let mut finding = Finding::of("failover-refused", format!("RDS refused to fail {} over", act.partition.cluster.id))
        .because(Evidence::now(&trouble.call, trouble.to_string()));
    if let Some(cluster) = cluster {
        finding = finding.because(Evidence::now(DESCRIBE, standing(&cluster)));
    }
    let wait = act.step.retry_after;
    finding
        .meaning(format!("nothing changed; {writer} goes on serving"))
        .way_out(format!("try again in {}", in_words(wait)))
        .again_after(wait)
}

/// How a cluster and its instances stand, in a line.
fn standing(cluster: &ClusterView) -> String {
    let members = cluster
        .members
        .iter()
        .map(|member| format!("{} {}, {}", member.id, member.status().unwrap_or("unknown"), member.group_status));
    std::iter::once(format!("cluster {}", cluster.status)).chain(members).collect::<Vec<_>>().join("; ")
}

fn in_words(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

impl Watch {
    /// Whether the cluster is available and names the new writer, so that by RDS all is done.
    pub(super) fn is_content(&self) -> bool {
        let writer = |cluster: &ClusterView| cluster.writer().is_some_and(|writer| writer.id == self.direction.to);
        self.cluster.as_ref().is_some_and(|cluster| cluster.status == "available" && writer(cluster))
    }

    /// The witnesses of the writer endpoint that say it leads elsewhere than to the new writer: now, and not before the network
    /// was lost or the machine fell asleep.
    pub(super) fn behind(&self, fresh: Duration) -> Vec<(&Witness, &Lane)> {
        let now = clock::now();
        let since = SignedDuration::try_from(fresh).map_or(self.since, |fresh| self.since.max(now - fresh));
        let of_endpoint = [Witness::Dns, Witness::SqlEndpoint];
        let lanes = self.timeline.lanes.iter().filter(|(witness, _)| of_endpoint.contains(witness));
        lanes.filter(|(_, lane)| lane.last.at >= since && self.leads_elsewhere(&lane.last.word)).collect()
    }

    fn leads_elsewhere(&self, word: &Word) -> bool {
        match word {
            Word::Reader | Word::Writer { writes: Some(false), .. } => true,
            Word::Writer { instance, .. } => *instance != self.direction.to,
            Word::Status { .. } | Word::Happened { .. } | Word::Silent { .. } => false,
        }
    }

    /// What every witness said last, and since when, those that disagree first.
    fn testimonies(&self) -> Vec<Evidence> {
        let say = |witness: &Witness, lane: &Lane| Evidence {
            source: witness.to_string(),
            text: format!("{}, since {}", word(&lane.last.word), self.after(since(lane))),
            at: lane.last.at,
        };
        let (new, others): (Vec<_>, Vec<_>) =
            self.timeline.lanes.iter().partition(|(_, lane)| self.names_new(&lane.last));
        others.into_iter().chain(new).map(|(witness, lane)| say(witness, lane)).collect()
    }

    /// Which of the known ends a failover has come to that was not over in time.
    pub(super) fn not_settled(&self, act: &Act, trouble: Option<&Trouble>) -> Stop {
        let Move { from, .. } = &self.direction;
        // What was seen before the trouble is old: by now the writer may have moved.
        let api = self.cluster.as_ref().filter(|_| trouble.is_none());
        let writer = api.and_then(ClusterView::writer).map(|writer| &writer.id);
        let available = api.is_some_and(|cluster| cluster.status == "available");
        let mut finding = if !self.moved && available && writer == Some(from) {
            Finding::of("failover-noop", format!("NO-OP: the call was accepted, and {from} is still the writer"))
                .meaning("no failover took place; the old writer goes on serving")
                .way_out("try again; if it stays so, open a case with AWS support")
                .again()
        } else if self.moved && self.is_content() {
            diagnosis::time_over(act, "agreement of all witnesses", None).again()
        } else {
            diagnosis::time_over(act, "the end of the failover", trouble).again()
        };
        finding.evidence.extend(self.testimonies());
        if api.is_some() {
            return finding.into();
        }
        let finding = finding.meaning("it is not known who the writer is now");
        Stop::Outcome(Box::new(Outcome::Unknown { finding }))
    }
}

/// RDS is content, and for too long the writer endpoint leads elsewhere.
pub(super) fn endpoint_stuck(watch: &Watch, act: &Act) -> Option<Finding> {
    let Move { from, to } = &watch.direction;
    let stuck = clock::now().duration_since(watch.stuck_since?);
    if stuck < SignedDuration::try_from(act.step.stuck_after).ok()? {
        return None;
    }
    let names: Vec<String> = watch.behind(fresh(act)).iter().map(|(witness, _)| witness.to_string()).collect();
    let cause =
        format!("RDS names {to}, and {} do not lead there for {:.0} s", names.join(" and "), stuck.as_secs_f64());
    let mut finding = Finding::of("endpoint-stuck", cause)
        .meaning("the application may be without a writer")
        .way_out(format!("fail back to {from} while this is looked into"))
        .lever("fail-back", None);
    finding.evidence = watch.testimonies();
    Some(finding)
}

/// The cluster is well, and for too long the application is not.
pub(super) fn app_5xx(watch: &Watch, act: &Act) -> Option<Finding> {
    let (first, last, text) = watch.failing.lasting(APPLICATION_HEALS)?;
    let lane = watch.timeline.lanes.get(&Witness::Application)?;
    // Well again, or not asked any more: what was seen is behind us.
    if lane.last.at > last || !matches!(lane.last.word, Word::Status { healthy: false, .. }) {
        return None;
    }
    let length = last.duration_since(first).as_secs();
    let seen = format!("{text} from {} to {}", watch.after(first), watch.after(last));
    let url = act.partition.application.as_ref().map_or("HTTP", |application| application.url.as_str());
    let mut finding =
        Finding::of("app-5xx", format!("the application answers 5xx for {length} s, though it has a writer"))
            .because(Evidence { source: format!("GET {url}"), text: seen, at: last })
            .meaning("its pools may hold on to the old writer; the cluster itself is well")
            .way_out("restart the deployment, then look again; the failover is not sent again")
            .lever("rollout-restart", None);
    finding.evidence.extend(watch.testimonies());
    Some(finding)
}

/// Since when a witness says what it says.
fn since(lane: &Lane) -> Timestamp {
    lane.segments.last().map_or(lane.last.at, |segment| segment.since)
}

fn word(word: &Word) -> String {
    match word {
        Word::Writer { instance, writes: Some(true) } => format!("{instance}, writes go through"),
        Word::Writer { instance, writes: Some(false) } => format!("{instance}, writes refused"),
        Word::Writer { instance, writes: None } => instance.to_string(),
        Word::Reader => "a reader".to_owned(),
        Word::Status { text, .. } | Word::Happened { text } => text.clone(),
        Word::Silent { reason } => reason.clone(),
    }
}
