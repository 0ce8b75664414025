//! Step 5: the writer moves. Success is a witnessed change that all witnesses agree on, not a status.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::act::{Act, Acted};
use super::cluster::{self, DESCRIBE, done, no_sign};
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::{Change, ClusterView, MemberView};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Event, Finding, Outcome};
use crate::runbook::names::InstanceId;
use crate::runbook::plan::StepKind;
use crate::runbook::timeline::{Timeline, Zero};
use crate::runbook::topology::Agreement;
use crate::runbook::witness::{Testimony, Witness, Word};
use crate::watch::{Pace, Sample};

/// Rounds in a row in which all witnesses must agree.
const ROUNDS: u32 = 3;
/// How long the watchers are given to bring a first word before the call goes out: the last good write is measured by it.
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let (writer, target) = match (cluster::writer(look, &cluster), cluster::reader(look, &cluster)) {
        (Ok(writer), Ok(target)) => (writer, target),
        (Err(finding), _) | (_, Err(finding)) => {
            let mut brief = look.brief(format!("Move the writer of {}", look.partition.cluster.id));
            brief.preconditions = vec![Precondition::now(finding.cause, Holds::No)];
            return Ok(brief);
        }
    };
    let mut brief = look.brief(format!("Promote {} to writer of {}", target.id, look.partition.cluster.id));
    brief.calls.push(change(look, target).call(&look.tools.aws.target));
    brief.preconditions = vec![
        cluster::available(&cluster),
        cluster::member_available(target),
        cluster::member_available(writer),
        Precondition::require(target.group_status == "in-sync", format!("{} {}", target.id, target.group_status)),
    ];
    brief.preconditions.extend(target.pending_class().map(|class| {
        Precondition::now(
            format!("class {class} is still queued on {}; it would be promoted without", target.id),
            Holds::No,
        )
    }));
    brief.preconditions.extend(window(look));
    brief.feels = look.step.impact.clone().or(brief.feels);
    brief.back = look.step.way_back.clone().or_else(|| Some(format!("fail back to {}", writer.id)));
    brief.already_done = promoted_before(look, writer);
    brief.preconditions.extend(brief.already_done.clone().map(|already| Precondition::now(already, Holds::Mind)));
    Ok(brief)
}

fn change(look: &Look, target: &MemberView) -> Change {
    Change::Failover { cluster: look.partition.cluster.id.clone(), target: target.id.clone() }
}

/// Whether now is within the agreed window. Being outside is minded, not refused: a night that runs late must be ended.
fn window(look: &Look) -> Option<Precondition> {
    let window = look.partition.window.as_ref()?;
    let now = Timestamp::now();
    let at = |time: Timestamp| time.to_zoned(look.zone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
    Some(if now < window.from {
        Precondition::now(format!("the window opens at {}", at(window.from)), Holds::Mind)
    } else if now > window.to {
        Precondition::now(format!("the window closed at {}", at(window.to)), Holds::Mind)
    } else {
        Precondition::now(format!("within the window, until {}", at(window.to)), Holds::Yes)
    })
}

/// Whether a former attempt whose end was not seen had moved the writer: another failover would move it back.
fn promoted_before(look: &Look, writer: &MemberView) -> Option<String> {
    let steps = look.so_far.steps.iter().filter(|step| step.id == look.step.id);
    let mut actions = steps.flat_map(|step| &step.attempts).flat_map(|attempt| &attempt.actions);
    let action = actions.find(|each| {
        each.may_have_acted() && each.action.before.get("to").is_some_and(|to| *to == writer.id.as_str())
    })?;
    let at = action.at.to_zoned(look.zone()).strftime("%H:%M:%S");
    Some(format!("{} was promoted by the attempt of {at}; another failover moves the writer back", writer.id))
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    act.set_pace(Pace::Failover);
    let samples = act.samples.subscribe();
    let outcome = move_writer(act, samples).await;
    act.set_pace(Pace::Busy);
    outcome
}

async fn move_writer(act: &mut Act, mut samples: broadcast::Receiver<Sample>) -> Result<Outcome, Stop> {
    let (from, to) = direction(act).await?;
    for (id, label) in required(act) {
        act.check(Check::new(id, label, "witnesses", Verdict::Pending)).await?;
    }
    act.witness(DESCRIBE, format!("the writer moves from {from} to {to}")).await?;
    let mut timeline = Timeline::default();
    warm_up(act, &mut samples, &mut timeline).await;
    let accepted = send(act, &from, &to).await?;
    timeline.start(Zero { at: accepted, from: from.clone(), to: Some(to.clone()) });
    act.verifying().await?;
    let mut watch = Watch { from, to: to.clone(), timeline, rounds: 0, moved: false, cluster: None };
    let verdict = watch.until_settled(act, &mut samples).await;
    if let Some(failover) = watch.timeline.measure(to, Timestamp::now()) {
        let partition = act.partition.name.clone();
        act.recorder.record(Event::FailoverMeasured { partition, failover }).await?;
    }
    verdict
}

/// From whom to whom: as the intent says, if there is one; else as the cluster is now.
async fn direction(act: &Act) -> Result<(InstanceId, InstanceId), Stop> {
    let intended = act.intended().map(|intended| &intended.action.before);
    if let Some((from, to)) = intended.and_then(|before| Some((before.get("from")?, before.get("to")?))) {
        return Ok((InstanceId::new(from.clone()), InstanceId::new(to.clone())));
    }
    let cluster = act.cluster().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    Ok((cluster::writer(act, &cluster)?.id.clone(), cluster::reader(act, &cluster)?.id.clone()))
}

/// What must hold, in the order in which it usually comes about.
fn required(act: &Look) -> Vec<(&'static str, String)> {
    let mut required = vec![("moved", "writer moved".to_owned())];
    if act.partition.sql.is_some() {
        required.push(("writes", "new writer accepts writes".to_owned()));
    }
    required.push(("agree", format!("witnesses agree, {ROUNDS} rounds")));
    required.push(("cluster", "cluster available".to_owned()));
    required.push(("members", "both instances available".to_owned()));
    required
}

async fn warm_up(act: &Act, samples: &mut broadcast::Receiver<Sample>, timeline: &mut Timeline) {
    if act.partition.sql.is_none() {
        return;
    }
    let first_word = async {
        while !timeline.lanes.contains_key(&Witness::SqlEndpoint) {
            match samples.recv().await {
                Ok(sample) if sample.partition == act.partition.name => observe(timeline, &sample),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    // Without a first word the failover goes on all the same; only its disruption is measured less sharply.
    let _ = timeout(WARM_UP, first_word).await;
}

fn observe(timeline: &mut Timeline, sample: &Sample) {
    for testimony in sample.testimony() {
        timeline.observe(testimony);
    }
}

/// Sends the call, unless it was sent before; when it was accepted.
async fn send(act: &mut Act, from: &InstanceId, to: &InstanceId) -> Result<Timestamp, Stop> {
    let change = Change::Failover { cluster: act.partition.cluster.id.clone(), target: to.clone() };
    let before = [("from", from.to_string()), ("to", to.to_string())];
    let (look, target) = (act.look.clone(), to.clone());
    let seen = || async {
        let cluster = look.cluster().await?;
        let writer = cluster.writer().map(|writer| writer.id.clone());
        if writer.as_ref() == Some(&target) {
            return done(format!("{target} is the writer"));
        }
        if cluster.status == "failing-over" {
            return done("the cluster is failing over");
        }
        no_sign(format!("the cluster is {} and {target} is not the writer", cluster.status))
    };
    match act.change(format!("fail over to {to}"), change, before, seen).await? {
        Acted::Done { at } => Ok(at),
        Acted::Refused(trouble) => {
            let cluster = act.cluster().await.ok();
            let finding = cluster::refused(act, "failover-refused", &trouble, cluster.as_ref());
            Err(finding.way_out("the old writer goes on serving; try again in two minutes").into())
        }
    }
}

/// The failover as it is watched.
struct Watch {
    from: InstanceId,
    to: InstanceId,
    timeline: Timeline,
    rounds: u32,
    moved: bool,
    cluster: Option<ClusterView>,
}

impl Watch {
    async fn until_settled(
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
                    if patience.is_over() {
                        return Err(self.not_settled(act, patience.trouble.as_ref()));
                    }
                }
            }
        }
    }

    /// What can be said on the witnesses' words alone.
    async fn told(&mut self, act: &mut Act) -> Result<(), Stop> {
        let since = self.timeline.zero.as_ref().map(|zero| zero.at);
        let named = self.timeline.lanes.iter().find(|(_, lane)| {
            matches!(&lane.last.word, Word::Writer { instance, .. } if *instance == self.to)
                && since.is_some_and(|since| lane.last.at >= since)
        });
        if let Some((witness, lane)) = named.filter(|_| !self.moved) {
            self.moved = true;
            let seen = self.after(lane.last.at);
            let first = format!("{witness} is the first to name {} writer, {seen}", self.to);
            act.check(
                Check::new("moved", "writer moved", "witnesses", Verdict::Passed)
                    .expecting(self.to.as_str())
                    .seeing(seen),
            )
            .await?;
            act.witness("witnesses", first).await?;
        }
        let writes = self.timeline.lanes.get(&Witness::SqlEndpoint).filter(|lane| {
            matches!(&lane.last.word, Word::Writer { instance, writes: Some(true) } if *instance == self.to)
                && since.is_some_and(|since| lane.last.at >= since)
        });
        if let Some(lane) = writes {
            let seen = self.after(lane.last.at);
            if !self.writes(act) {
                let check = Check::new(
                    "writes",
                    "new writer accepts writes",
                    "SQL through the writer endpoint",
                    Verdict::Passed,
                );
                act.check(check.seeing(seen)).await?;
            }
        }
        Ok(())
    }

    fn after(&self, at: Timestamp) -> String {
        let zero = self.timeline.zero.as_ref().map_or(at, |zero| zero.at);
        format!("T+{:.1} s", at.duration_since(zero).as_secs_f64())
    }

    /// One round: the API is asked, and all witnesses are held against each other. Whether everything holds.
    async fn round(&mut self, act: &mut Act, patience: &mut Patience) -> Result<bool, Stop> {
        let asked = Timestamp::now();
        let seen = act.cluster().await;
        let Some(cluster) = act.bear(patience, seen).await? else {
            self.rounds = 0;
            return Ok(false);
        };
        if let Some(finding) = cluster::terminal(act, &cluster) {
            return Err(finding.into());
        }
        for testimony in api_words(&cluster, asked) {
            self.timeline.observe(testimony);
        }
        self.told(act).await?;
        let agreed = self.agreement(act).await?;
        let settled = statuses(act, &cluster).await?;
        self.cluster = Some(cluster);
        Ok(self.moved && self.writes(act) && agreed && settled)
    }

    /// Whether a write went through to the new writer, where SQL is spoken at all.
    fn writes(&self, act: &Act) -> bool {
        let passed = |check: &Check| check.id == "writes" && check.verdict == Verdict::Passed;
        act.partition.sql.is_none() || act.attempt.checks.iter().any(passed)
    }

    async fn agreement(&mut self, act: &mut Act) -> Result<bool, Stop> {
        let fresh = act.pause * 3 + Duration::from_secs(2);
        let words = self.timeline.lanes.values().map(|lane| &lane.last);
        let agreement = Agreement::of(words, Timestamp::now(), fresh);
        let all = agreement.in_favour.len() + agreement.against.len();
        let speaks = |witness: &Witness| agreement.in_favour.contains(witness);
        let endpoint_speaks = act.partition.sql.is_none() || speaks(&Witness::SqlEndpoint);
        let holds = agreement.is_unanimous() && agreement.writer.as_ref() == Some(&self.to) && endpoint_speaks;
        self.rounds = if holds { (self.rounds + 1).min(ROUNDS) } else { 0 };
        let agreed = self.rounds == ROUNDS;
        let verdict = if agreed { Verdict::Passed } else { Verdict::Settling };
        let mut seen = format!("{} of {all}", agreement.in_favour.len());
        for (witness, other) in &agreement.against {
            seen.push_str(&format!(", {witness}: {other}"));
        }
        let label = format!("witnesses agree, {ROUNDS} rounds");
        act.check(Check::new("agree", label, "witnesses", verdict).seeing(seen)).await?;
        Ok(agreed)
    }

    async fn passed(&mut self, act: &mut Act) -> Result<Outcome, Stop> {
        let demoted = self.cluster.as_ref().and_then(|cluster| cluster.member(&self.from));
        let Some(class) = demoted.and_then(MemberView::pending_class).map(str::to_owned) else {
            return Ok(Outcome::Passed);
        };
        let flushed_later = act.partition.steps.iter().any(|step| step.kind == StepKind::FlushDemoted);
        let seen = if flushed_later { "5b follows" } else { "still queued" };
        let check =
            Check::new("swap", format!("{} keeps its class, {class} queued", self.from), DESCRIBE, Verdict::Warning);
        act.check(check.seeing(seen)).await?;
        if flushed_later {
            return Ok(Outcome::Passed);
        }
        Ok(Outcome::PassedWithWarnings { warnings: vec![format!("class {class} is still queued on {}", self.from)] })
    }

    /// Which of the known ends a failover has come to that did not end well.
    fn not_settled(&self, act: &Act, trouble: Option<&Trouble>) -> Stop {
        let evidence = self.timeline.lanes.iter().map(|(witness, lane)| Evidence {
            source: witness.to_string(),
            text: word(&lane.last.word),
            at: lane.last.at,
        });
        // What was seen before the trouble is old: by now the writer may have moved.
        let api = self.cluster.as_ref().filter(|_| trouble.is_none());
        let writer = api.and_then(ClusterView::writer).map(|writer| &writer.id);
        let available = api.is_some_and(|cluster| cluster.status == "available");
        let mut finding = if !self.moved && available && writer == Some(&self.from) {
            Finding::of("failover-noop", format!("NO-OP: the call was accepted, and {} is still the writer", self.from))
                .meaning("no failover took place")
                .way_out("try again; if it stays so, open a case with AWS support")
        } else if self.moved && available && writer == Some(&self.to) {
            self.does_not_lead_there(act)
        } else {
            diagnosis::time_over(act, "the end of the failover", trouble)
        };
        finding.evidence.extend(evidence);
        if api.is_some() {
            return finding.into();
        }
        let finding = finding.meaning("it is not known who the writer is now");
        Stop::Outcome(Box::new(Outcome::Unknown { finding }))
    }

    /// RDS is content, and somebody is not.
    fn does_not_lead_there(&self, act: &Act) -> Finding {
        let last = self.timeline.lanes.get(&Witness::SqlEndpoint).map(|lane| &lane.last.word);
        let arrived = matches!(last, Some(Word::Writer { instance, .. }) if *instance == self.to);
        if act.partition.sql.is_none() || (arrived && self.writes(act)) {
            return diagnosis::time_over(act, "agreement of all witnesses", None);
        }
        Finding::of("endpoint-stuck", format!("RDS says {}, the writer endpoint does not lead there", self.to))
            .meaning("the application may be without a writer")
            .way_out(format!("fail back to {} while this is looked into", self.from))
    }
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

/// What the step's own look at the API testifies, so that it is not alone where nobody watches.
fn api_words(cluster: &ClusterView, asked: Timestamp) -> Vec<Testimony> {
    let at = Timestamp::now();
    let testify = |witness, word| Testimony { witness, word, asked, at };
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
