//! A failover as it is watched: the API is asked in rounds, the witnesses speak whenever they have something to say.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{MissedTickBehavior, interval};

use super::asides::{Aside, swap};
use super::ends;
use super::{DESCRIBE, Move};
use crate::clients::rds::{ClusterView, MemberView};
use crate::clock;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::event::Outcome;
use crate::runbook::timeline::Timeline;
use crate::runbook::topology::{Agreement, Rounds};
use crate::runbook::witness::{Testimony, Witness, Word};
use crate::steps::act::Act;
use crate::steps::cluster;
use crate::steps::context::{Look, Patience, Stop};
use crate::watch::{Reading, Sample};

/// What must hold, in the order in which it usually comes about.
pub(super) fn required(act: &Look) -> Vec<(&'static str, String)> {
    let mut required = vec![("moved", "writer moved".to_owned())];
    if act.partition.sql.is_some() {
        required.push(("writes", "new writer accepts writes".to_owned()));
    }
    required.push(("agree", agree_label()));
    required.push(("cluster", "cluster available".to_owned()));
    required.push(("members", "both instances available".to_owned()));
    if act.partition.application.is_some() {
        required.push(("application", ANSWERS.to_owned()));
    }
    required
}

fn agree_label() -> String {
    format!("witnesses agree, {} rounds", Rounds::ENOUGH)
}

const ANSWERS: &str = "application answers without 5xx";

/// How old a word may be that says something of now.
pub(super) fn fresh(look: &Look) -> Duration {
    look.pause * 3 + Duration::from_secs(2)
}

pub(super) fn observe(timeline: &mut Timeline, sample: &Sample) {
    if let Ok(Reading::Cluster(cluster)) = &sample.said {
        timeline.observe_instances(sample.at, cluster.is_available_throughout());
    }
    for testimony in sample.testimony() {
        timeline.observe(testimony);
    }
}

/// A move of the writer, and what is known of it.
pub(super) struct Watch {
    pub(super) direction: Move,
    /// From when on a word counts.
    pub(super) since: Timestamp,
    pub(super) timeline: Timeline,
    rounds: Rounds,
    pub(super) moved: bool,
    /// As it was described last.
    pub(super) cluster: Option<ClusterView>,
    /// Since when RDS is content, and the endpoint does not lead to the new writer.
    pub(super) stuck_since: Option<Timestamp>,
    /// `available`, although nothing had moved yet.
    pub(super) race: Aside,
    /// The API behind everybody else.
    pub(super) stale: Aside,
    /// The application's 5xx, once it had a writer again.
    pub(super) failing: Aside,
}

impl Watch {
    pub(super) fn new(direction: Move, since: Timestamp, timeline: Timeline) -> Self {
        Self {
            direction,
            since,
            timeline,
            rounds: Rounds::default(),
            moved: false,
            cluster: None,
            stuck_since: None,
            race: Aside::default(),
            stale: Aside::default(),
            failing: Aside::default(),
        }
    }

    pub(super) async fn until_settled(
        &mut self,
        act: &mut Act,
        samples: &mut broadcast::Receiver<Sample>,
    ) -> Result<Outcome, Stop> {
        let mut patience = Patience::new(act.step.limit);
        let mut watched = true;
        let mut rounds = interval(act.pause);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancel = act.cancel.clone();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Err(Stop::Session),
                sample = samples.recv(), if watched => match sample {
                    Ok(sample) if sample.partition == act.partition.name => {
                        observe(&mut self.timeline, &sample);
                        self.told(act).await?;
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    // Without watchers the API alone is asked.
                    Err(RecvError::Closed) => watched = false,
                },
                _ = rounds.tick() => {
                    if self.round(act, &mut patience).await? {
                        return self.passed(act).await;
                    }
                    if let Some(finding) = self.came_to_nothing(act) {
                        return Err(finding.into());
                    }
                    // The failover itself is over while the application fails; that has a limit of its own.
                    if patience.is_over() && !self.failing.is_noticed() {
                        return Err(self.not_settled(act, patience.trouble.as_ref()));
                    }
                }
            }
        }
    }

    /// Whether a word is that the new writer is the writer, said since it counts.
    pub(super) fn names_new(&self, testimony: &Testimony) -> bool {
        matches!(&testimony.word, Word::Writer { instance, .. } if *instance == self.direction.to)
            && testimony.at >= self.since
    }

    /// What can be said on the witnesses' words alone.
    async fn told(&mut self, act: &mut Act) -> Result<(), Stop> {
        let to = self.direction.to.clone();
        let named = self.timeline.lanes.iter().find(|(_, lane)| self.names_new(&lane.last));
        if let Some((witness, lane)) = named.filter(|_| !self.moved) {
            let seen = self.after(lane.last.at);
            let first = format!("{witness} is the first to name {to} writer, {seen}");
            let check = Check::new("moved", "writer moved", "witnesses", Verdict::Passed);
            self.moved = true;
            act.check(check.expecting(to.as_str()).seeing(seen)).await?;
            act.witness("witnesses", first).await?;
        }
        let probe = self.timeline.lanes.get(&Witness::Writes).filter(|lane| self.names_new(&lane.last));
        let writes = probe.filter(|lane| matches!(lane.last.word, Word::Writer { writes: Some(true), .. }));
        if let Some(lane) = writes.filter(|_| !self.writes(act)) {
            let (id, source) = ("writes", "write probe through the writer endpoint");
            let check = Check::new(id, "new writer accepts writes", source, Verdict::Passed);
            act.check(check.seeing(self.after(lane.last.at))).await?;
        }
        Ok(())
    }

    /// The time since the call was accepted, or since somebody looked again.
    pub(super) fn after(&self, at: Timestamp) -> String {
        format!("T{:+.1} s", at.duration_since(self.since).as_secs_f64())
    }

    /// One round: the API is asked, and all witnesses are held against each other. Whether everything holds.
    async fn round(&mut self, act: &mut Act, patience: &mut Patience) -> Result<bool, Stop> {
        let asked = clock::now();
        let seen = act.cluster().await;
        let Some(cluster) = act.bear(patience, seen).await? else {
            // What is not seen now proves nothing, and what was seen before is old.
            self.rounds.reset();
            self.stuck_since = None;
            self.failing.forget();
            return Ok(false);
        };
        if let Some(finding) = cluster::terminal(act, &cluster) {
            return Err(finding.into());
        }
        for testimony in api_words(&cluster, asked) {
            self.timeline.observe(testimony);
        }
        let available = |member: &MemberView| member.status() == Some("available");
        self.timeline.observe_instances(clock::now(), cluster.members.iter().all(available));
        self.told(act).await?;
        self.notice_asides(act, &cluster, asked).await?;
        let agreed = self.agreement(act).await?;
        let settled = statuses(act, &cluster).await?;
        self.cluster = Some(cluster);
        let stands = self.moved && self.writes(act) && agreed && settled;
        Ok(self.application_answers(act, stands).await? && stands)
    }

    /// Whether a write went through to the new writer, where SQL is spoken at all.
    pub(super) fn writes(&self, act: &Act) -> bool {
        let passed = |check: &Check| check.id == "writes" && check.verdict == Verdict::Passed;
        act.partition.sql.is_none() || act.attempt.checks.iter().any(passed)
    }

    /// Whether everybody who is fresh has named the new writer in enough rounds, each on new words. Who is silent or old is
    /// named; the writer endpoint must speak, as it is what the application uses.
    async fn agreement(&mut self, act: &mut Act) -> Result<bool, Stop> {
        let fresh = fresh(act);
        let now = clock::now();
        let words = self.timeline.lanes.values().map(|lane| &lane.last);
        let agreement = Agreement::of(words, now, fresh);
        let endpoint_speaks = act.partition.sql.is_none() || agreement.in_favour.iter().any(Witness::is_of_endpoint);
        let named = agreement.writer.as_ref() == Some(&self.direction.to);
        if named && endpoint_speaks {
            let lanes = &self.timeline.lanes;
            self.rounds.take(&agreement, |witness| lanes.get(witness).map(|lane| lane.last.at));
        } else {
            self.rounds.reset();
        }
        let agreed = self.rounds.are_enough();
        let verdict = if agreed { Verdict::Passed } else { Verdict::Settling };
        let seen = self.voices(&agreement, now);
        act.check(Check::new("agree", agree_label(), "witnesses", verdict).seeing(seen)).await?;
        Ok(agreed)
    }

    /// How many agree, and who does not, or says nothing.
    fn voices(&self, agreement: &Agreement, now: Timestamp) -> String {
        let mut seen = format!("{} of {}", agreement.in_favour.len(), agreement.voices());
        for (witness, other) in &agreement.against {
            seen.push_str(&format!(", {witness}: {other}"));
        }
        for witness in &agreement.silent {
            seen.push_str(&format!(", {witness} silent"));
        }
        for witness in &agreement.stale {
            let age = self.timeline.lanes.get(witness).map_or(0, |lane| now.duration_since(lane.last.at).as_secs());
            // By tens: each other number would be another verdict to write down.
            seen.push_str(&format!(", {witness} not heard for {} s", age / 10 * 10));
        }
        seen
    }

    /// Whether the application answers without 5xx. One that cannot be asked from here is no reason to wait.
    async fn application_answers(&mut self, act: &mut Act, stands: bool) -> Result<bool, Stop> {
        if act.partition.application.is_none() {
            return Ok(true);
        }
        if !stands {
            self.failing.forget();
        }
        let lane = self.timeline.lanes.get(&Witness::Application).filter(|lane| lane.last.at >= self.since);
        let word = lane.map(|lane| (lane.last.word.clone(), lane.last.at));
        let (verdict, seen) = match &word {
            Some((Word::Status { text, healthy: false }, at)) => {
                if stands {
                    self.failing.notice(*at, format!("HTTP {text}"));
                }
                (Verdict::Settling, format!("HTTP {text}"))
            }
            Some((Word::Status { text, .. }, _)) => (Verdict::Passed, format!("HTTP {text}")),
            Some((Word::Silent { reason }, _)) => (Verdict::Warning, format!("not asked: {reason}")),
            // The cluster stands, and nobody watches the application: another step looks at it.
            _ if stands => (Verdict::Warning, "not watched".to_owned()),
            _ => return Ok(false),
        };
        act.check(Check::new("application", ANSWERS, "HTTP", verdict).seeing(seen)).await?;
        Ok(verdict != Verdict::Settling)
    }

    async fn passed(&mut self, act: &mut Act) -> Result<Outcome, Stop> {
        if let Some(finding) = self.healed() {
            act.remark(finding).await?;
        }
        swap(act, &self.direction, self.cluster.as_ref()).await
    }

    /// Since when the endpoint stays behind, and whether that, or the application's failing, has lasted too long.
    fn came_to_nothing(&mut self, act: &Act) -> Option<crate::runbook::event::Finding> {
        self.stuck_since = match (self.is_content(), self.behind(fresh(act)).is_empty()) {
            (true, false) => self.stuck_since.or_else(|| Some(clock::now())),
            _ => None,
        };
        ends::endpoint_stuck(self, act).or_else(|| ends::app_5xx(self, act))
    }
}

/// What the step's own look at the API testifies, so that it is not alone where nobody watches.
fn api_words(cluster: &ClusterView, asked: Timestamp) -> Vec<Testimony> {
    let at = clock::now();
    let testify = |witness, word| Testimony::new(witness, word, asked, at);
    let healthy = cluster.status == "available";
    let mut words = vec![testify(Witness::ApiStatus, Word::Status { text: cluster.status.clone(), healthy })];
    words.extend(
        cluster
            .writer()
            .map(|writer| testify(Witness::ApiWriter, Word::Writer { instance: writer.id.clone(), writes: None })),
    );
    words
}

/// Writes down how cluster and instances stand; whether all are available.
async fn statuses(act: &mut Act, cluster: &ClusterView) -> Result<bool, Stop> {
    let verdict = |holds| if holds { Verdict::Passed } else { Verdict::Settling };
    let available = cluster.status == "available";
    let check = Check::new("cluster", "cluster available", DESCRIBE, verdict(available));
    act.check(check.seeing(&cluster.status)).await?;
    let others: Vec<(&str, &str)> = cluster
        .members
        .iter()
        .map(|member| (act.partition.cluster.short_name(&member.id), member.status().unwrap_or("unknown")))
        .filter(|(_, status)| *status != "available")
        .collect();
    let seen = others.iter().map(|(id, status)| format!("{id} {status}")).collect::<Vec<_>>().join(", ");
    let seen = if seen.is_empty() { "available".to_owned() } else { seen };
    let check = Check::new("members", "both instances available", DESCRIBE, verdict(others.is_empty()));
    act.check(check.seeing(seen)).await?;
    Ok(available && others.is_empty())
}
