//! What each witness says, since when, how often it is asked and what is wrong with it; beneath, the rule by which the
//! writer is derived. A witness that is dead is shown as dead: it is never left out.

use std::time::Duration;

use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::live::{Freshness, Live, freshness, period};
use crate::app::state::State;
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::plan::Partition;
use crate::runbook::timeline::Lane;
use crate::runbook::topology::{Agreement, FRESH, RULE};
use crate::runbook::witness::{ClockOffset, Witness, Word};
use crate::ui::panes::timeline::{label, said};
use crate::ui::text::{Spans, column, column_right, span, spread, width, wrap};
use crate::ui::{format, symbols};

/// Columns of a witness's name.
const NAME: usize = 15;

/// Draws the list.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, name: &PartitionName, scroll: u16) {
    let (state, theme) = (scene.state, scene.theme);
    let (Some(partition), Some(live)) = (state.run.plan.partition(name), state.live.get(name)) else { return };
    let agreement = live.timeline.agreement(state.now, FRESH);
    let mut sheet = Sheet::new(scene, "witnesses").of_partition(scene, partition);
    sheet.body.push(together(scene, partition, live, &agreement));
    sheet.body.push(Line::default());
    for (witness, lane) in &live.timeline.lanes {
        row(&mut sheet.body, scene, partition, live, (witness, lane), &agreement);
    }
    for (who, reason) in unheard(live) {
        sheet.body.push(Line::from(vec![
            span(format!("{} {}", symbols::STALE, column(&who, NAME)), theme.faint()),
            span(reason, theme.danger()),
        ]));
    }
    sheet.body.push(Line::default());
    for (index, sentence) in RULE.iter().enumerate() {
        let label = if index == 0 { "the rule" } else { "" };
        for (at, line) in
            wrap(&[span(*sentence, theme.faint())], room(scene).saturating_sub(10)).into_iter().enumerate()
        {
            let label = if at == 0 { label } else { "" };
            let mut spans = vec![span(column(label, 10), theme.plain())];
            spans.extend(line);
            sheet.body.push(Line::from(spans));
        }
    }
    sheet.scroll = usize::from(scroll);
    sheet.foot = vec![Line::from(span("Esc closes", theme.faint()))];
    sheet.draw(buffer, scene);
}

/// What they say together.
fn together(scene: &Scene<'_>, partition: &Partition, live: &Live, agreement: &Agreement) -> Line<'static> {
    let theme = scene.theme;
    let short = |id: &InstanceId| partition.cluster.short_name(id).to_owned();
    let Some(writer) = &agreement.writer else {
        let why = if agreement.voices() == 0 { "nobody fresh names a writer" } else { "they do not agree" };
        return Line::from(vec![
            span(format!("{} the writer is unknown: ", symbols::FAILED), theme.danger()),
            span(why, theme.plain()),
        ]);
    };
    let words =
        format!("{} is the writer: {} of {} say so", short(writer), agreement.in_favour.len(), agreement.voices());
    if agreement.against.is_empty() {
        return Line::from(vec![span(format!("{} ", symbols::OK), theme.ok()), span(words, theme.bright())]);
    }
    let since = live.timeline.dissents(agreement).iter().map(|dissent| dissent.since).min();
    let since = since.map_or_else(String::new, |since| {
        format!(", in dispute for {}", format::age_in_seconds(scene.state.since(since)))
    });
    Line::from(vec![span(format!("{} ", symbols::MIND), theme.mind()), span(format!("{words}{since}"), theme.mind())])
}

/// A witness: what it says, since when, how old that is, how often it is asked; beneath, what is wrong with it.
fn row(
    body: &mut Vec<Line<'static>>,
    scene: &Scene<'_>,
    partition: &Partition,
    live: &Live,
    (witness, lane): (&Witness, &Lane),
    agreement: &Agreement,
) {
    let (state, theme) = (scene.state, scene.theme);
    let period = period(witness, state.pace_of(&partition.name));
    let age = state.since(lane.last.at);
    let fresh = period.map_or(Freshness::Live, |period| freshness(age, period));
    let silent = matches!(lane.last.word, Word::Silent { .. });
    let against = agreement.against.iter().any(|(other, _)| other == witness);
    let (glyph, style) = match () {
        () if fresh != Freshness::Live => (symbols::STALE, theme.age(fresh)),
        () if silent => (symbols::FAILED, theme.danger()),
        () if against => (symbols::MIND, theme.mind()),
        () if agreement.in_favour.contains(witness) => (symbols::OK, theme.ok()),
        () => (symbols::NOT_YET, theme.faint()),
    };
    let mut words = said(&lane.last.word, witness, partition);
    if let Word::Writer { writes: Some(writes), .. } = &lane.last.word {
        words.push_str(if *writes { " rw" } else { " ro" });
    }
    let since = lane.segments.last().map_or(lane.last.at, |segment| segment.since);
    let said_style = if silent { theme.danger() } else { theme.aged(theme.bright(), fresh) };
    let left = vec![
        span(format!("{glyph} "), style),
        span(column(&label(witness, partition), NAME), theme.plain()),
        span(words, said_style),
        span(format!("  since {}", format::second(since, &state.zone)), theme.faint()),
    ];
    let mut right = Spans::new();
    right.extend(lane.last.clock.map(|clock| span(format!("{}  ", offset(clock)), theme.faint())));
    right.extend(asked(state, lane, period).map(|asked| span(format!("{asked}  "), theme.faint())));
    right.push(span(column_right(&format::age(age), 6), if silent { theme.danger() } else { theme.age(fresh) }));
    let room = room(scene);
    // Since when is worth less than what, where there is no room for both.
    let left = if width(&left) + width(&right) + 1 > room { left[..3].to_vec() } else { left };
    body.push(spread(left, right, room));
    if let Some(trouble) = trouble(live, witness).filter(|_| silent || fresh != Freshness::Live) {
        let mut line = vec![span(format!("  {}", column("", NAME)), theme.faint())];
        line.push(span(trouble, theme.faint()));
        body.push(Line::from(crate::ui::text::fit_spans(line, room)));
    }
}

/// How often it is asked, or when it is asked again, where it is silent and left in peace for longer.
fn asked(state: &State, lane: &Lane, period: Option<Duration>) -> Option<String> {
    // What was seen is better than what was meant.
    let period = lane.every.or(period).filter(|_| period.is_some())?;
    let Some(again) = lane.last.again.and_then(|again| SignedDuration::try_from(again).ok()) else {
        return Some(format!("every {}", every(period)));
    };
    let left = state.until(lane.last.at + again);
    Some(if left.is_zero() {
        "asked again now".to_owned()
    } else {
        format!("asked again in {} s", left.as_secs().max(1))
    })
}

/// A period: `250 ms`, `10 s`.
fn every(period: Duration) -> String {
    match period.as_millis() {
        millis @ 0..950 => format!("{} ms", millis.div_ceil(10) * 10),
        millis => format!("{} s", (millis + 500) / 1_000),
    }
}

/// How far a witness's clock is from this machine's: `clock +12 ms ±3`.
fn offset(clock: ClockOffset) -> String {
    format!("clock {:+} ms ±{}", clock.ahead.as_millis(), clock.within.as_millis().max(1))
}

/// What its source last answered instead of a word.
fn trouble(live: &Live, witness: &Witness) -> Option<String> {
    let (_, (_, trouble)) = live.troubles.iter().find(|(source, _)| source.witnesses().contains(witness))?;
    Some(trouble.to_string())
}

/// Witnesses that were asked and have not said a word yet.
fn unheard(live: &Live) -> Vec<(String, String)> {
    let never = |witness: &Witness| !live.timeline.lanes.contains_key(witness);
    let troubled = live.troubles.iter().flat_map(|(source, (_, trouble))| {
        source.witnesses().into_iter().map(move |witness| (witness, trouble.to_string()))
    });
    troubled.filter(|(witness, _)| never(witness)).map(|(witness, why)| (witness.to_string(), why)).collect()
}
