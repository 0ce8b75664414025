//! What the log's own keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;

use super::commands::CommandId;
use super::dialog::Dialog;
use super::log::{Filter, LogSource, Stamps};
use super::share::{self, Mask};
use super::state::State;
use super::update::{Effect, open};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::StepKind;

/// Most bytes that are copied at once: terminals drop what is longer (xterm: 100,000 characters of base64).
const MOST_COPIED: usize = 72_000;

/// Carries out one of the log's commands.
pub(super) fn command(state: &mut State, id: CommandId) -> Vec<Effect> {
    let log = &mut state.log;
    match id {
        CommandId::Search => log.begin_search(),
        CommandId::MatchNewer | CommandId::MatchOlder => {
            let newer = id == CommandId::MatchNewer;
            if !log.next_match(newer) {
                let side = if newer { "newer" } else { "older" };
                state.notice = Some((state.now, format!("no {side} line holds it")));
            }
        }
        CommandId::LogPause if log.follows() => log.pause(),
        CommandId::LogPause => log.follow(),
        CommandId::LogLevel => {
            let filter = Filter { least: log.filter().least.next(), ..log.filter().clone() };
            log.set_filter(filter);
        }
        CommandId::LogFilter => open(state, Dialog::LogFilter { marked: 0 }),
        CommandId::LogPartition => this_partition(state),
        CommandId::LogWrap => log.wraps = !log.wraps,
        CommandId::LogStamps => {
            log.stamps = match log.stamps {
                Stamps::Clock => Stamps::SinceStart,
                Stamps::SinceStart => Stamps::Off,
                Stamps::Off => Stamps::Clock,
            };
            if log.stamps == Stamps::SinceStart && start_in_hand(state).is_none() {
                state.notice = Some((state.now, "no step was fired yet: times stay those of the day".to_owned()));
            }
        }
        CommandId::LogCopy => return copy(state),
        _ => {}
    }
    Vec::new()
}

/// Takes in a key while words to search for are typed.
pub(super) fn search_key(state: &mut State, key: KeyEvent) {
    let log = &mut state.log;
    let Some(search) = log.search() else { return };
    let mut words = search.needle.query().to_owned();
    let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter => return log.keep_search(),
        KeyCode::Esc => return log.clear_search(),
        // As in every pager: the words that are there are gone through with the arrows as well.
        KeyCode::Up | KeyCode::Down => {
            log.next_match(key.code == KeyCode::Down);
            return;
        }
        KeyCode::Backspace if words.is_empty() => return log.clear_search(),
        KeyCode::Backspace => {
            words.pop();
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => words.clear(),
        KeyCode::Char(character) if !control && !character.is_control() => words.push(character),
        _ => return,
    }
    log.look_for(&words);
}

/// Shows only the lines of the partition that is looked at and those of the run, or those of all.
fn this_partition(state: &mut State) {
    let mut filter = state.log.filter().clone();
    let here = state.looked_at().0.name.clone();
    filter.only(&here, state.run.plan.partitions.iter().map(|partition| &partition.name));
    if filter.partitions == state.log.filter().partitions {
        filter.partitions.clear();
    }
    state.log.set_filter(filter);
}

/// Copies the marked line, or what is seen.
fn copy(state: &State) -> Vec<Effect> {
    let ids = state.log.marked().map_or_else(|| state.log.seen().to_vec(), |id| vec![id]);
    let mask = state.share.then(|| Mask::of(state));
    let mut text = String::new();
    let mut lines = 0;
    for line in ids.iter().filter_map(|id| state.log.line(*id)) {
        let at = line.at.to_zoned(state.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string();
        let partition = line.partition.map_or("-", PartitionName::as_str);
        let said = share::log_text(state, &line);
        let said = mask.as_ref().map_or_else(|| said.to_string(), |mask| mask.hide(&said));
        let row = format!("{at} {} {partition} {said}\n", line.source.name());
        if text.len() + row.len() > MOST_COPIED {
            break;
        }
        text.push_str(&row);
        lines += 1;
    }
    if lines == 0 { Vec::new() } else { vec![Effect::Copy { text, what: counted(lines, "line") }] }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("one {what}") } else { format!("{count} {what}s") }
}

/// A row of the dialog in which the filter is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterRow {
    /// A source.
    Source(LogSource),
    /// A partition; none stands for the lines that belong to none.
    Partition(Option<PartitionName>),
}

impl FilterRow {
    /// Whether its lines are shown.
    pub fn is_shown(&self, filter: &Filter) -> bool {
        match self {
            Self::Source(source) => !filter.sources.contains(source),
            Self::Partition(partition) => !filter.partitions.contains(partition),
        }
    }
}

/// The rows of the dialog in which the filter is chosen.
pub fn filter_rows(state: &State) -> Vec<FilterRow> {
    let partitions = state.run.plan.partitions.iter().map(|partition| Some(partition.name.clone()));
    let sources = LogSource::ALL.into_iter().map(FilterRow::Source);
    sources.chain(partitions.chain([None]).map(FilterRow::Partition)).collect()
}

/// Takes in a key in the dialog in which the filter is chosen; whether it stays open.
pub(super) fn filter_key(state: &mut State, marked: &mut usize, key: KeyEvent) -> bool {
    let rows = filter_rows(state);
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *marked = (*marked + 1).min(rows.len().saturating_sub(1)),
        KeyCode::Up | KeyCode::Char('k') => *marked = marked.saturating_sub(1),
        KeyCode::Home => *marked = 0,
        KeyCode::End => *marked = rows.len().saturating_sub(1),
        KeyCode::Char(' ') => {
            let mut filter = state.log.filter().clone();
            match rows.get(*marked) {
                Some(FilterRow::Source(source)) => filter.turn_source(*source),
                Some(FilterRow::Partition(partition)) => filter.turn_partition(partition.clone()),
                None => {}
            }
            state.log.set_filter(filter);
        }
        KeyCode::Char('a') => state.log.set_filter(Filter { least: state.log.filter().least, ..Filter::default() }),
        KeyCode::Enter | KeyCode::Esc | KeyCode::Char('q' | 'o') => return false,
        _ => {}
    }
    true
}

/// When the step in hand began, from which times are counted: a failover's accepted call, else the attempt that runs, else
/// the last one of the partition that is looked at.
pub fn start_in_hand(state: &State) -> Option<Timestamp> {
    let running = state.run.running().map(|(step, _)| step);
    let (partition, run) = match &running {
        Some(step) => (state.run.plan.partition(&step.partition)?, state.run.partition(&step.partition)?),
        None => state.looked_at(),
    };
    let attempts = partition
        .steps
        .iter()
        .zip(&run.steps)
        .filter(|(step, _)| running.as_ref().is_none_or(|running| running.step == step.id));
    let started = attempts.filter_map(|(step, run)| Some((step, run.attempts.last()?.started_at)));
    let (step, started) = started.max_by_key(|(_, at)| *at)?;
    let zero = state.live.get(&partition.name).and_then(|live| live.timeline.zero.as_ref()).map(|zero| zero.at);
    Some(zero.filter(|at| step.kind == StepKind::Failover && *at >= started).unwrap_or(started))
}
