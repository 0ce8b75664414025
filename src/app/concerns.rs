//! Everything that is not as it should be, the worst first: what the sentence under the header leaves out.

use jiff::Timestamp;

use super::levers;
use super::live::{Freshness, Live, asked_every, freshness};
use super::queries::is_not_there_yet;
use super::state::State;
use crate::clients::TroubleKind;
use crate::runbook::check::Verdict;
use crate::runbook::event::Outcome;
use crate::runbook::names::InstanceId;
use crate::runbook::outlook::{Standing, roughly};
use crate::runbook::plan::Partition;
use crate::runbook::topology::FRESH;
use crate::watch::sample::Source;

/// How much a concern presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It hurts now, or stops the rollout.
    Bad,
    /// To be minded.
    Mind,
    /// Data is missing or old.
    Blind,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// How much it presses.
    pub weight: Weight,
    /// Where.
    pub place: String,
    /// What, in one sentence.
    pub text: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
}

/// Lists every concern, the worst first.
pub fn concerns(state: &State) -> Vec<Concern> {
    let mut concerns = Vec::new();
    for partition in &state.run.plan.partitions {
        of_steps(state, partition, &mut concerns);
        of_levers(state, partition, &mut concerns);
        of_window(state, partition, &mut concerns);
        if let Some(live) = state.live.get(&partition.name) {
            of_cluster(state, partition, live, &mut concerns);
            of_witnesses(state, partition, live, &mut concerns);
            of_sources(state, partition, live, &mut concerns);
        }
    }
    concerns.sort_by_key(|concern| concern.weight);
    concerns
}

fn of_steps(state: &State, partition: &Partition, concerns: &mut Vec<Concern>) {
    let Some(run) = state.run.partition(&partition.name) else { return };
    for (step, run) in partition.steps.iter().zip(&run.steps) {
        // Of hundreds of partitions most have not begun.
        let Some(attempt) = run.attempts.last() else { continue };
        let reference = partition.reference(&step.id);
        let step_state = state.run.state_of(&reference);
        let place = format!("{} · {} {}", partition.name, step.label, step.title);
        if step_state.is_trouble() {
            let text = step_state.to_string().to_lowercase();
            concerns.push(Concern { weight: Weight::Bad, place: place.clone(), text, since: attempt.ended_at });
        }
        for check in attempt.concerns() {
            let weight = if check.verdict == Verdict::Failed { Weight::Bad } else { Weight::Mind };
            let seen = check.seen.as_ref().map_or(String::new(), |seen| format!(": {seen}"));
            let text = format!("{}{seen}", check.label);
            concerns.push(Concern { weight, place: place.clone(), text, since: Some(check.at) });
        }
    }
}

fn of_levers(state: &State, partition: &Partition, concerns: &mut Vec<Concern>) {
    let Some((lever, attempt)) = levers::in_trouble(state, &partition.name) else { return };
    let title = partition.step(&lever.step).map_or_else(|| lever.to_string(), |lever| lever.title.clone());
    let cause = attempt.outcome.as_ref().and_then(Outcome::finding).map(|finding| finding.cause.as_str());
    let text = format!("{}: {}", attempt.stands().to_string().to_lowercase(), cause.unwrap_or_default());
    let place = format!("{} · {title}", partition.name);
    concerns.push(Concern { weight: Weight::Bad, place, text, since: attempt.ended_at });
}

fn of_window(state: &State, partition: &Partition, concerns: &mut Vec<Concern>) {
    let Some(window) = &partition.window else { return };
    let left = state.run.outlook(partition, state.now).left();
    let Some(lacks) = window.lacks(state.now, left) else { return };
    let (text, since) = match window.standing(state.now) {
        Standing::Over(_) => (format!("its window is over, and ~{} are still to come", roughly(left)), Some(window.to)),
        _ => (format!("its window is {} too short for what is to come, ~{}", roughly(lacks), roughly(left)), None),
    };
    concerns.push(Concern { weight: Weight::Mind, place: partition.name.to_string(), text, since });
}

fn of_cluster(state: &State, partition: &Partition, live: &Live, concerns: &mut Vec<Concern>) {
    let Some(cluster) = &live.cluster else { return };
    if cluster.freshness(state.now, state.pace_of(&partition.name).metered()) != Freshness::Live {
        return;
    }
    let place = partition.name.to_string();
    if cluster.value.status != "available" {
        let text = format!("cluster is {}", cluster.value.status);
        concerns.push(Concern { weight: Weight::Mind, place: place.clone(), text, since: None });
    }
    for member in &cluster.value.members {
        let name = partition.cluster.short_name(&member.id);
        if member.status != "available" {
            let text = format!("{name} is {}", member.status);
            concerns.push(Concern { weight: Weight::Mind, place: place.clone(), text, since: None });
        }
        if member.group_status != "in-sync" {
            let text = format!("{name}: parameter group is {}", member.group_status);
            concerns.push(Concern { weight: Weight::Mind, place: place.clone(), text, since: None });
        }
        if let Some(class) = &member.pending_class {
            let text = format!("{name}: change to {class} is queued");
            concerns.push(Concern { weight: Weight::Mind, place: place.clone(), text, since: None });
        }
    }
}

fn of_witnesses(state: &State, partition: &Partition, live: &Live, concerns: &mut Vec<Concern>) {
    let place = partition.name.to_string();
    if let Some(since) = live.timeline.down_since() {
        let text = "the writer endpoint takes no writes".to_owned();
        concerns.push(Concern { weight: Weight::Bad, place: place.clone(), text, since: Some(since) });
    }
    let short = |id: &InstanceId| partition.cluster.short_name(id).to_owned();
    if let Some(zero) = live.timeline.zero.as_ref().filter(|zero| !zero.fired) {
        let to = zero.to.as_ref().map_or_else(String::new, |to| format!(" to {}", short(to)));
        let text = format!("unplanned failover{to}: nobody fired it");
        let weight = if live.timeline.is_open() { Weight::Bad } else { Weight::Mind };
        concerns.push(Concern { weight, place: place.clone(), text, since: Some(zero.at) });
    }
    if !state.near.holds(&partition.name) {
        // Of what is far only the RDS API speaks, and nobody could differ.
        return;
    }
    let agreement = live.timeline.agreement(state.now, FRESH);
    for dissent in live.timeline.dissents(&agreement) {
        let (witness, says) = (&dissent.witness, short(&dissent.says));
        let text = match &agreement.writer {
            Some(writer) => format!("{witness} says {says} is the writer, not {}", short(writer)),
            None => format!("{witness} says {says} is the writer; others differ"),
        };
        concerns.push(Concern { weight: Weight::Mind, place: place.clone(), text, since: Some(dissent.since) });
    }
}

fn of_sources(state: &State, partition: &Partition, live: &Live, concerns: &mut Vec<Concern>) {
    let place = partition.name.to_string();
    for (source, (since, trouble)) in &live.troubles {
        // Before its extension is created, or where the log is not exported, that is as it should be.
        let as_it_should = match source {
            Source::Statements => is_not_there_yet(trouble),
            Source::SlowLog => trouble.kind == TroubleKind::NotFound,
            _ => false,
        };
        if as_it_should || is_left(state, partition, source) {
            continue;
        }
        let text = format!("{}: {trouble}", source_name(source, partition));
        concerns.push(Concern { weight: Weight::Blind, place: place.clone(), text, since: Some(*since) });
    }
    let pace = state.pace_of(&partition.name);
    let heard = match (state.near.holds(&partition.name), &live.cluster) {
        (true, _) => live.heard(),
        (false, Some(cluster)) => vec![(Source::Api, cluster.at)],
        (false, None) => Vec::new(),
    };
    for (source, at) in heard {
        // A source may be silent without having said why: its call has not come back yet.
        if live.troubles.contains_key(&source)
            || freshness(state.since(at), asked_every(&source, pace)) == Freshness::Live
        {
            continue;
        }
        let text = format!("{} was not heard for a while", source_name(&source, partition));
        concerns.push(Concern { weight: Weight::Blind, place: place.clone(), text, since: Some(at) });
    }
}

/// Whether nobody asks a source at present, because the partition is far.
fn is_left(state: &State, partition: &Partition, source: &Source) -> bool {
    !matches!(source, Source::Api | Source::Events) && !state.near.holds(&partition.name)
}

/// What a source of a partition is called.
pub fn source_name(source: &Source, partition: &Partition) -> String {
    let short = |instance| partition.cluster.short_name(instance);
    match source {
        Source::Api => "RDS API".to_owned(),
        Source::Events => "RDS events".to_owned(),
        Source::Dns => "DNS".to_owned(),
        Source::SqlEndpoint => "SQL endpoint".to_owned(),
        Source::Writes => "write probe".to_owned(),
        Source::SqlInstance(instance) => format!("SQL on {}", short(instance)),
        Source::App => "application".to_owned(),
        Source::Load(instance) => format!("Performance Insights of {}", short(instance)),
        Source::Statements => "pg_stat_statements".to_owned(),
        Source::Pods => "pods".to_owned(),
        Source::Rights => "rights of the database role".to_owned(),
        Source::Metrics => "CloudWatch".to_owned(),
        Source::SlowLog => "slow-query log".to_owned(),
        Source::Log(origin) => format!("log of {origin}"),
    }
}
