//! The one sentence under the header: what matters most now. The worst wins; the rest is listed by the concerns dialog.

use std::time::Duration;

use super::commands::CommandId;
use super::concerns::concerns;
use super::dialog::Dialog;
use super::live::Freshness;
use super::state::{Mode, State};
use super::ways::{Act, best, tries_again, way_words, ways};
use super::{attach, levers, unplanned};
use crate::runbook::check::Verdict;
use crate::runbook::event::Outcome;
use crate::runbook::names::{InstanceId, StepRef};
use crate::runbook::outlook::{Basis, Estimate, Standing, roughly};
use crate::runbook::plan::{Partition, Step, StepKind};
use crate::runbook::state::StepState;
use crate::runbook::topology::FRESH;
use crate::runbook::witness::Witness;

/// How much the sentence presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing to do.
    Calm,
    /// A step can be fired.
    Ready,
    /// Something runs.
    Running,
    /// Waits for a person.
    Waiting,
    /// Something is wrong.
    Trouble,
}

/// A piece of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its words.
    pub text: String,
    /// How they stand out.
    pub stress: Stress,
}

/// How words stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stress {
    /// As the rest.
    Plain,
    /// What it is about.
    Strong,
    /// Beside the point.
    Faint,
    /// It hurts.
    Bad,
    /// To be minded.
    Mind,
    /// All well.
    Good,
}

/// The sentence: two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// How much it presses.
    pub urgency: Urgency,
    /// What, since when, against what is expected.
    pub headline: Vec<Piece>,
    /// What hurts, and who disagrees; may be empty.
    pub detail: Vec<Piece>,
}

fn piece(text: impl Into<String>, stress: Stress) -> Piece {
    Piece { text: text.into(), stress }
}

/// Derives the sentence.
pub fn banner(state: &State) -> Banner {
    // What hurts now and nobody expects is worse than anything that somebody decided.
    if let Some(unplanned) = unplanned(state) {
        return unplanned;
    }
    if let Some(stopped) = &state.run.stopped {
        return Banner {
            urgency: Urgency::Trouble,
            headline: vec![piece("the rollout was stopped", Stress::Strong), piece(&stopped.text, Stress::Plain)],
            detail: vec![piece(format!("by {}; what has not run will not run", stopped.by), Stress::Faint)],
        };
    }
    if let Some((step, _)) = state.run.running() {
        return running(state, &step);
    }
    match state.run.next_step() {
        Some((step, step_state)) if step_state.is_trouble() => trouble(state, &step),
        Some((step, _)) => ready(state, &step),
        None => rolled_back(state).unwrap_or_else(|| through(state)),
    }
}

fn running(state: &State, step: &StepRef) -> Banner {
    let Some((partition, planned, run)) = state.run.step(step) else { return through(state) };
    let mut headline = vec![
        piece(step.partition.as_str(), Stress::Strong),
        piece(format!("{} {}", planned.label, planned.title), Stress::Strong),
    ];
    headline.extend(moving(state, partition).filter(|_| planned.kind == StepKind::Failover));
    if let Some(attempt) = run.attempts.last() {
        headline.push(piece(format!("T+{}", clock(state.since(attempt.started_at))), Stress::Mind));
        headline.extend(state.run.estimate(step).map(|estimate| piece(as_expected(&estimate), Stress::Faint)));
        if attempt.number > 1 {
            headline.push(piece(format!("attempt {}", attempt.number), Stress::Faint));
        }
        let waits = attempt.checks.iter().find(|check| matches!(check.verdict, Verdict::Pending | Verdict::Settling));
        if let Some(check) = waits {
            headline.push(piece(format!("waits for: {}", check.label), Stress::Plain));
        }
    }
    let mut detail = hurts(state, partition);
    detail.extend(asks(state, step));
    detail.extend(recovered(state, partition).filter(|_| planned.kind == StepKind::Failover));
    detail.extend(disagreement(state, partition));
    let met = run.attempts.last().and_then(|attempt| attempt.remarks.last());
    detail.extend(met.map(|remark| piece(first_sentence(&remark.cause), Stress::Plain)));
    detail.extend(others(state));
    Banner { urgency: Urgency::Running, headline, detail }
}

/// `expected 00:40`, or what it took before: `00:38 in stage`.
fn as_expected(estimate: &Estimate) -> String {
    match &estimate.basis {
        Basis::Before(partition) => format!("{} in {partition}", clock(estimate.lasts)),
        Basis::Plan => format!("expected {}", clock(estimate.lasts)),
    }
}

/// That a step that changes something would be fired outside its partition's window, or that there is no room in it for
/// what is to come.
fn outside_window(state: &State, partition: &Partition, planned: &Step) -> Option<Piece> {
    let window = partition.window.as_ref().filter(|_| planned.kind.changes_the_world())?;
    let left = state.run.outlook(partition, state.now).left();
    let words = match window.standing(state.now) {
        Standing::Ahead(opens) => format!("its window opens in {}", roughly(opens)),
        Standing::Over(since) => format!("its window closed {} ago", roughly(since)),
        Standing::Open(_) => {
            format!("its window is {} too short for the rest", roughly(window.lacks(state.now, left)?))
        }
    };
    Some(piece(words, Stress::Mind))
}

/// That a program waits for its operator, or may be waiting.
fn asks(state: &State, step: &StepRef) -> Option<Piece> {
    let signs_in =
        state.run.under_way().find(|(other, attempt)| state.run.signs_in(other) && attempt.program.is_some());
    if signs_in.is_some() {
        let words = match (&state.dialog, &state.mode) {
            (Some(Dialog::Terminal(_)), _) => "it waits in the terminal below".to_owned(),
            (_, Mode::Operator) => {
                format!("a sign-in waits for you in its terminal: {} opens it", state.keymap.name(CommandId::Terminal))
            }
            (_, Mode::Monitor(_)) => "a sign-in waits for the operator".to_owned(),
        };
        return Some(piece(words, Stress::Mind));
    }
    if let Some(next) = tries_again(state, step) {
        let at = next.to_zoned(state.zone.clone()).strftime("%H:%M:%S").to_string();
        let key = match state.mode {
            Mode::Operator => format!(", {} tries now", state.keymap.name(CommandId::RetryNow)),
            Mode::Monitor(_) => String::new(),
        };
        return Some(piece(format!("tries again at {at}, in {}{key}", clock(state.until(next))), Stress::Mind));
    }
    let silence = attach::silent_for(state, step)?;
    let key = state.keymap.name(CommandId::Terminal);
    Some(piece(format!("silent for {}: a prompt may be waiting, {key} looks", clock(silence)), Stress::Mind))
}

/// Where the writer's role goes.
fn moving(state: &State, partition: &Partition) -> Option<Piece> {
    let zero = state.live.get(&partition.name)?.timeline.zero.as_ref()?;
    let to = partition.cluster.short_name(zero.to.as_ref()?);
    Some(piece(format!("writer is moving to {to}"), Stress::Plain))
}

/// What users feel now, and whether anybody still sees it.
fn hurts(state: &State, partition: &Partition) -> Vec<Piece> {
    let Some(live) = state.live.get(&partition.name) else { return Vec::new() };
    let mut detail = Vec::new();
    let api_period = state.pace_of(&partition.name).metered();
    let silent = live.cluster.as_ref().filter(|seen| seen.freshness(state.now, api_period) == Freshness::Silent);
    if let Some(seen) = silent {
        detail.push(piece(format!("RDS API silent for {} s", seen.age(state.now).as_secs()), Stress::Bad));
    }
    if let Some(since) = live.timeline.down_since() {
        let seconds = state.since(since).as_secs_f64();
        detail.push(piece(format!("writer endpoint DOWN {seconds:.1} s"), Stress::Bad));
    }
    detail
}

/// How long writes were down, once they are not any more.
fn recovered(state: &State, partition: &Partition) -> Option<Piece> {
    let timeline = &state.live.get(&partition.name)?.timeline;
    let (_, Some(_)) = timeline.outage()? else { return None };
    let disruption = timeline.disruption(state.now)?;
    Some(piece(format!("writes were down {disruption}"), Stress::Strong))
}

/// Who disagrees on the writer.
fn disagreement(state: &State, partition: &Partition) -> Vec<Piece> {
    let Some(live) = state.live.get(&partition.name) else { return Vec::new() };
    let agreement = live.timeline.agreement(state.now, FRESH);
    if agreement.against.is_empty() {
        return Vec::new();
    }
    let short = |id: &InstanceId| partition.cluster.short_name(id).to_owned();
    let all = agreement.voices();
    let together = match &agreement.writer {
        Some(writer) => format!("{} of {all} witnesses say {}", agreement.in_favour.len(), short(writer)),
        None => "the witnesses do not agree on the writer".to_owned(),
    };
    let mut detail = vec![piece(together, Stress::Plain)];
    for dissent in live.timeline.dissents(&agreement) {
        let (witness, seconds) = (witness_name(&dissent.witness, partition), state.since(dissent.since).as_secs());
        let still = if agreement.writer.is_some() { "still says" } else { "says" };
        let words = format!("{witness} {still} {} ({seconds} s)", short(&dissent.says));
        detail.push(piece(words, Stress::Mind));
    }
    detail
}

/// A witness's name, with its instance's short one.
fn witness_name(witness: &Witness, partition: &Partition) -> String {
    match witness {
        Witness::SqlInstance(id) => format!("SQL {}", partition.cluster.short_name(id)),
        other => other.to_string(),
    }
}

/// The writer moved and nobody fired it.
fn unplanned(state: &State) -> Option<Banner> {
    let (name, zero) = unplanned::under_way(state)?;
    let partition = state.run.plan.partition(name)?;
    let short = |id: &InstanceId| partition.cluster.short_name(id).to_owned();
    let to = zero.to.as_ref().map_or_else(|| "nobody yet".to_owned(), short);
    let mut headline = vec![
        piece(name.as_str(), Stress::Strong),
        piece("UNPLANNED FAILOVER · nobody fired it", Stress::Bad),
        piece(format!("{} → {to}", short(&zero.from)), Stress::Strong),
        piece(format!("T+{}", clock(state.since(zero.at))), Stress::Mind),
    ];
    headline.extend(state.run.running().map(|(step, _)| piece(format!("{step} goes on"), Stress::Faint)));
    let mut detail = hurts(state, partition);
    detail.extend(recovered(state, partition));
    detail.extend(disagreement(state, partition));
    if detail.is_empty() {
        detail.push(piece("everybody agrees; it is over once cluster and instances are available", Stress::Plain));
    }
    detail.extend(others(state));
    Some(Banner { urgency: Urgency::Trouble, headline, detail })
}

/// That there is more, where there is.
fn others(state: &State) -> Option<Piece> {
    match concerns(state).len() {
        0 => None,
        count => {
            let key = state.keymap.name(CommandId::Concerns);
            let plural = if count == 1 { "" } else { "s" };
            Some(piece(format!("{count} concern{plural}: {key}"), Stress::Faint))
        }
    }
}

fn trouble(state: &State, step: &StepRef) -> Banner {
    let mut headline = vec![piece(step.partition.as_str(), Stress::Strong)];
    let mut detail = Vec::new();
    if let Some((_, planned, _)) = state.run.step(step) {
        headline.push(piece(format!("{} {}", planned.label, planned.title), Stress::Strong));
        headline.push(piece(state.run.state_of(step).to_string(), Stress::Bad));
    }
    if let Some((_, finding)) = state.run.trouble(step) {
        headline.push(piece(first_sentence(&finding.cause), Stress::Strong));
        detail.extend(lever_in_trouble(state, step));
        detail.extend(way_out(state, step));
        let more = finding.remedy.as_ref().and_then(|remedy| remedy.lines().next());
        detail.extend(more.map(|remedy| piece(first_sentence(remedy), Stress::Faint)));
    }
    detail.extend(others(state));
    Banner { urgency: Urgency::Trouble, headline, detail }
}

/// What to do next about a step in trouble, with its key.
fn way_out(state: &State, step: &StepRef) -> Vec<Piece> {
    let all = ways(state, step);
    let Some(way) = all.get(best(&all)) else { return Vec::new() };
    let worked = all.iter().find(|way| way.tried.as_ref().is_some_and(|(how, _)| how.is_behind()));
    let mut detail = Vec::new();
    if let Some(lever) = worked {
        detail.push(piece(format!("{} has worked", way_words(state, step, &lever.act)), Stress::Good));
    }
    let words = way_words(state, step, &way.act);
    let when = way.from.filter(|from| *from > state.now).map_or_else(String::new, |from| {
        let at = from.to_zoned(state.zone.clone()).strftime("%H:%M:%S").to_string();
        format!(" from {at}, in {}", clock(state.until(from)))
    });
    let ways = state.keymap.name(CommandId::Ways);
    match state.mode {
        Mode::Operator if !is_marked(state, step) => detail.push(elsewhere(state)),
        Mode::Operator if way.act == Act::Again => {
            let fire = state.keymap.name(CommandId::Fire);
            detail.push(piece(format!("{fire}: {words}{when}"), Stress::Mind));
            if all.iter().filter(|way| way.offered).count() > 1 {
                detail.push(piece(format!("{ways}: other ways out"), Stress::Faint));
            }
        }
        Mode::Operator => detail.push(piece(format!("{ways}: {words}{when}"), Stress::Mind)),
        Mode::Monitor(_) => detail.push(piece(format!("way out: {words}{when}"), Stress::Mind)),
    }
    detail
}

/// Whether the keys that decide mean this step.
fn is_marked(state: &State, step: &StepRef) -> bool {
    state.marked_step().as_ref() == Some(step)
}

/// How to get to the step that the sentence speaks of, while another one is marked: its keys would mean that one.
fn elsewhere(state: &State) -> Piece {
    piece(format!("{} goes there", state.keymap.name(CommandId::Follow)), Stress::Mind)
}

/// The first sentence says what happened; the details hold the rest.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

/// That a lever was pulled and did not do what it should.
fn lever_in_trouble(state: &State, step: &StepRef) -> Option<Piece> {
    let (lever, attempt) = levers::in_trouble(state, &step.partition)?;
    let (_, planned, _) = state.run.step(&lever)?;
    let cause = attempt.outcome.as_ref().and_then(Outcome::finding).map(|finding| first_sentence(&finding.cause));
    let how = attempt.stands().to_string().to_lowercase();
    Some(piece(format!("{} {how}: {}", planned.title, cause.unwrap_or_default()), Stress::Bad))
}

/// A partition that was taken back: nothing goes on after it.
fn rolled_back(state: &State) -> Option<Banner> {
    let taken_back =
        |partition: &&Partition| state.run.partition(&partition.name).is_some_and(|run| run.rolled_back.is_some());
    let partition = state.run.plan.partitions.iter().find(taken_back)?;
    let word = state.run.partition(&partition.name)?.rolled_back.as_ref()?;
    let at = word.at.to_zoned(state.zone.clone()).strftime("%H:%M").to_string();
    let after = state.run.plan.partitions.iter().skip_while(|each| each.name != partition.name).nth(1);
    let after = after.map(|after| piece(format!("{} and what follows it stay locked", after.name), Stress::Mind));
    let mut detail: Vec<Piece> = after.into_iter().collect();
    detail.push(piece("L: levers can still be pulled", Stress::Faint));
    detail.extend(others(state));
    Some(Banner {
        urgency: Urgency::Trouble,
        headline: vec![
            piece(partition.name.as_str(), Stress::Strong),
            piece("FAILED · ROLLED BACK", Stress::Bad),
            piece(format!("{at} by {}: {}", word.by, word.text), Stress::Strong),
        ],
        detail,
    })
}

fn ready(state: &State, step: &StepRef) -> Banner {
    let Some((partition, planned, _)) = state.run.step(step) else { return through(state) };
    let mut headline = vec![
        piece(step.partition.as_str(), Stress::Strong),
        piece(format!("{} {}", planned.label, planned.title), Stress::Strong),
    ];
    let waiting = planned.kind == StepKind::GoAhead;
    let confirming = state.run.state_of(step) == StepState::Confirming;
    let key = state.keymap.name(if waiting { CommandId::GoAhead } else { CommandId::Fire });
    match &state.mode {
        _ if confirming => headline.push(piece("is being confirmed", Stress::Mind)),
        Mode::Operator if waiting => headline.push(waits_for_go_ahead(state, partition)),
        Mode::Operator => headline.push(piece("is next", Stress::Plain)),
        Mode::Monitor(_) => headline.push(piece("waits for the operator", Stress::Plain)),
    }
    if state.mode == Mode::Operator && !confirming {
        // A go-ahead is the partition's; every other key means the marked step.
        let here = if waiting { state.looked_at().0.name == step.partition } else { is_marked(state, step) };
        headline.push(if here { piece(key, Stress::Mind) } else { elsewhere(state) });
    }
    let mut detail = hurts(state, partition);
    detail.extend(lever_in_trouble(state, step));
    detail.extend(disagreement(state, partition));
    detail.extend(outside_window(state, partition, planned));
    detail.extend(state.run.estimate(step).map(|estimate| {
        let words = match &estimate.basis {
            Basis::Before(partition) => format!("took {} in {partition}", clock(estimate.lasts)),
            Basis::Plan => format!("takes about {}", clock(estimate.lasts)),
        };
        piece(words, Stress::Faint)
    }));
    if let Some(impact) = &planned.impact {
        detail.push(piece(format!("users feel: {impact}"), Stress::Faint));
    } else if waiting {
        detail.push(piece(format!("{} is through all its steps", partition.name), Stress::Faint));
    }
    detail.extend(others(state));
    Banner { urgency: if waiting { Urgency::Waiting } else { Urgency::Ready }, headline, detail }
}

/// That nothing but a word is missing, and how green what is behind is.
fn waits_for_go_ahead(state: &State, partition: &Partition) -> Piece {
    let of = |step: &Step| state.run.state_of(&partition.reference(&step.id));
    let warned = partition.steps.iter().filter(|step| of(step) == StepState::PassedWithWarnings).count();
    match warned {
        0 => piece("waits for your go-ahead · all green", Stress::Good),
        1 => piece("waits for your go-ahead · 1 step passed with warnings", Stress::Mind),
        count => piece(format!("waits for your go-ahead · {count} steps passed with warnings"), Stress::Mind),
    }
}

fn through(state: &State) -> Banner {
    let (words, stress) = if state.run.is_all_through() {
        ("every partition is through; the rollout is done", Stress::Good)
    } else {
        ("nothing can be fired now", Stress::Plain)
    };
    Banner {
        urgency: Urgency::Calm,
        headline: vec![piece(&state.run.plan.title, Stress::Strong), piece(words, stress)],
        detail: vec![piece("q leaves; `aurora-cockpit report` writes the execution log", Stress::Faint)],
    }
}

/// A duration as `m:ss`, or `h:mm:ss` from an hour on.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
