//! Pictures of a report: the failover's timeline and the load around it, as SVG that needs nothing from elsewhere.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::runbook::names::PartitionName;
use crate::runbook::plan::ClusterTarget;
use crate::runbook::timeline::Timeline;
use crate::runbook::tone::{Tone, tone};
use crate::runbook::witness::{Witness, Word};

/// Width of a picture in its own units.
const WIDTH: f64 = 960.0;
/// Room for the witnesses' names, and for the load's figures.
const LEFT: f64 = 150.0;
/// Height of a lane.
const LANE: f64 = 22.0;
/// Height of the load's plot.
const PLOT: f64 = 180.0;
/// What is drawn of a failover before T=0 and after its end.
const MARGIN: SignedDuration = SignedDuration::from_secs(3);
/// Colours of wait events, each event's by its name.
const WAITS: [&str; 10] =
    ["#2f8a3a", "#1f77c4", "#b07a00", "#c8382b", "#7d52c4", "#00819c", "#b8457d", "#5d8021", "#a36c1f", "#4d62c9"];

/// Wait events that are met every night: each has a colour of its own, in the order of [`WAITS`].
const KNOWN: [&str; 10] = [
    "CPU",
    "IO:DataFileRead",
    "Lock:tuple",
    "Lock:transactionid",
    "Client:ClientRead",
    "IO:XactSync",
    "LWLock:buffer_mapping",
    "LWLock:lock_manager",
    "Lock:relation",
    "IO:AuroraStorageLogAllocate",
];

/// What is drawn of one failover.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Where it was.
    pub partition: PartitionName,
    /// What the witnesses said, as it was known when it was over.
    pub timeline: Timeline,
    /// When it was over.
    pub over: Timestamp,
    /// The load of the writer's role around it.
    pub load: Load,
}

/// Average active sessions of the writer's role.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// By the end of each period: its length in seconds, and sessions by wait event.
    pub points: BTreeMap<Timestamp, (f64, Vec<(String, f64)>)>,
    /// The writer's vCPUs.
    pub vcpus: Option<u32>,
}

/// The timeline, a lane for each witness.
pub(super) fn timeline(picture: &Picture, cluster: &ClusterTarget) -> Markup {
    let Some(zero) = &picture.timeline.zero else { return html! {} };
    let axis = Axis { from: zero.at - MARGIN, to: picture.over.max(zero.at) + MARGIN, zero: zero.at };
    let lanes = &picture.timeline.lanes;
    let height = LANE * (lanes.len() as f64 + 3.0);
    let foot = LANE * (lanes.len() as f64 + 1.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label="failover timeline" {
            (axis.draw(LANE, foot))
            @for (index, (witness, lane)) in lanes.iter().enumerate() {
                @let y = LANE * (index as f64 + 1.0);
                text x="0" y=(y + 15.0) class="name" { (label(witness, cluster)) }
                @let ends = lane.segments.iter().skip(1).map(|segment| segment.since).chain([axis.to]);
                @for (segment, end) in lane.segments.iter().zip(ends) {
                    @if end > axis.from && segment.since < axis.to {
                        @let (x, width) = axis.stretch(segment.since, end);
                        @let words = word(&segment.word, cluster);
                        g class=(class(tone(&segment.word, Some(&zero.from)))) {
                            rect x=(px(x)) y=(y + 2.0) width=(px(width)) height=(LANE - 4.0) { title { (words) } }
                            // About seven units a letter: a word that does not fit is told by the pointer.
                            @if words.chars().count() as f64 * 7.0 + 8.0 < width {
                                text x=(px(x + 4.0)) y=(y + 15.0) { (words) }
                            }
                        }
                    }
                }
            }
            (bracket(picture, &axis, foot))
        }
    }
}

/// How long writes were down, measured beneath the lanes.
fn bracket(picture: &Picture, axis: &Axis, y: f64) -> Markup {
    let measured = picture.timeline.outage().zip(picture.timeline.disruption(picture.over));
    let Some(((from, to), disruption)) = measured else { return html! {} };
    let (x, width) = axis.stretch(from, to.unwrap_or(axis.to));
    let open = if to.is_none() { " and on" } else { "" };
    html! {
        g class="bracket" {
            text x="0" y=(y + 15.0) class="name" { "no writes" }
            path d=(format!("M {x:.1} {0:.1} v 10 M {x:.1} {1:.1} h {width:.1} m 0 -5 v 10", y + 5.0, y + 10.0)) {}
            text x=(px(x + width + 6.0)) y=(y + 15.0) { (disruption) (open) }
        }
    }
}

/// The load around a failover, stacked by wait event.
pub(super) fn load(picture: &Picture) -> Markup {
    let load = &picture.load;
    let (Some((first, _)), Some((last, _)), Some(zero)) =
        (load.points.first_key_value(), load.points.last_key_value(), &picture.timeline.zero)
    else {
        return html! {};
    };
    let axis = Axis { from: *first, to: *last, zero: zero.at };
    let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, sessions) in load.points.values().flat_map(|(_, waits)| waits) {
        *totals.entry(name).or_default() += sessions;
    }
    let mut layers: Vec<(&str, f64)> = totals.into_iter().collect();
    layers.sort_by(|one, other| other.1.total_cmp(&one.1));
    let peak =
        load.points.values().map(|(_, waits)| waits.iter().map(|(_, sessions)| sessions).sum()).fold(0.0, f64::max);
    let vcpus = load.vcpus.map_or(0.0, f64::from);
    let top = peak.max(if peak * 4.0 > vcpus { vcpus } else { 0.0 }).max(0.1) * 1.1;
    let level = |sessions: f64| LANE + PLOT * (1.0 - sessions / top);
    let legend = LANE + PLOT + 2.0 * LANE;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", legend + LANE)) role="img" aria-label="average active sessions" {
            (axis.draw(LANE, LANE + PLOT))
            text x="0" y="15" class="name" { "average active sessions" }
            // The peak's figure gives way to that of the vCPUs.
            @if vcpus > top || (level(peak) - level(vcpus)).abs() > 14.0 {
                text x=(LEFT - 8.0) y=(px(level(peak) + 4.0)) class="figure" { (format!("{peak:.1}")) }
            }
            @for (at, (seconds, waits)) in &load.points {
                @let (x, width) = axis.stretch(*at - SignedDuration::from_millis((seconds * 1000.0) as i64), *at);
                @for (name, from, to) in stacked(&layers, waits) {
                    rect x=(px(x)) y=(px(level(to))) width=(px(width + 0.3)) height=(px(level(from) - level(to))) fill=(colour(name)) {}
                }
            }
            @if load.vcpus.is_some() && vcpus <= top {
                path class="limit" d=(format!("M {LEFT} {0:.1} H {WIDTH}", level(vcpus))) {}
                text x=(LEFT - 8.0) y=(px(level(vcpus) + 4.0)) class="figure" { (format!("{vcpus:.0} vCPU")) }
            }
            @for (index, (name, _)) in layers.iter().take(6).enumerate() {
                @let x = LEFT + 135.0 * index as f64;
                rect x=(px(x)) y=(px(legend)) width="10" height="10" fill=(colour(name)) {}
                text x=(px(x + 15.0)) y=(px(legend + 9.0)) { (name.chars().take(16).collect::<String>()) }
            }
        }
    }
}

/// Each wait event of a point with where it begins and ends in the stack.
fn stacked<'a>(layers: &[(&'a str, f64)], waits: &[(String, f64)]) -> Vec<(&'a str, f64, f64)> {
    let mut sum = 0.0;
    let mut stack = Vec::new();
    for (layer, _) in layers {
        let sessions = waits.iter().find(|(name, _)| name == layer).map_or(0.0, |(_, sessions)| *sessions);
        if sessions > 0.0 {
            stack.push((*layer, sum, sum + sessions));
            sum += sessions;
        }
    }
    stack
}

/// The colour of a wait event: the same in every picture.
fn colour(name: &str) -> &'static str {
    if let Some(place) = KNOWN.iter().position(|known| *known == name) {
        return WAITS[place];
    }
    let sum = name.bytes().fold(5381_usize, |sum, byte| sum.wrapping_mul(33) ^ usize::from(byte));
    WAITS[sum % WAITS.len()]
}

fn px(units: f64) -> String {
    format!("{units:.1}")
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Old => "old",
        Tone::New => "new",
        Tone::Good => "good",
        Tone::Moving => "moving",
        Tone::Down => "down",
        Tone::Neutral => "neutral",
    }
}

/// A witness's name, an instance by what sets it apart in its cluster.
fn label(witness: &Witness, cluster: &ClusterTarget) -> String {
    match witness {
        Witness::SqlInstance(instance) => format!("SQL {}", cluster.short_name(instance)),
        other => other.to_string(),
    }
}

fn word(word: &Word, cluster: &ClusterTarget) -> String {
    match word {
        Word::Writer { instance, writes: Some(false) } => format!("{}, no writes", cluster.short_name(instance)),
        Word::Writer { instance, .. } => cluster.short_name(instance).to_owned(),
        Word::Reader => "replica".to_owned(),
        Word::Status { text, .. } | Word::Happened { text } => text.clone(),
        Word::Silent { reason } => reason.clone(),
    }
}

/// Where times lie in a picture.
struct Axis {
    from: Timestamp,
    to: Timestamp,
    zero: Timestamp,
}

impl Axis {
    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64().max(0.001);
        let share = at.duration_since(self.from).as_secs_f64() / whole;
        LEFT + (WIDTH - LEFT) * share.clamp(0.0, 1.0)
    }

    /// Where a stretch of time begins, and how wide it is.
    fn stretch(&self, from: Timestamp, to: Timestamp) -> (f64, f64) {
        (self.x(from), self.x(to) - self.x(from))
    }

    /// Ticks at round times from T=0 on, with lines from `top` to `bottom`.
    fn draw(&self, top: f64, bottom: f64) -> Markup {
        let whole = self.to.duration_since(self.from).as_secs();
        let step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].into_iter().find(|step| whole / step <= 12).unwrap_or(1800);
        let first = self.from.duration_since(self.zero).as_secs() / step * step;
        let ticks = (0..=14).map(|tick| first + tick * step).filter_map(|seconds| {
            let at = self.zero.checked_add(SignedDuration::from_secs(seconds)).ok()?;
            (at >= self.from && at <= self.to).then(|| (seconds, self.x(at)))
        });
        html! {
            @for (seconds, x) in ticks {
                path class=(if seconds == 0 { "zero" } else { "tick" }) d=(format!("M {x:.1} {top:.1} V {bottom:.1}")) {}
                @if x < WIDTH - 24.0 {
                    text x=(px(x)) y="15" class="time" {
                        @if seconds == 0 { "T=0" } @else { (format!("{seconds:+} s")) }
                    }
                }
            }
        }
    }
}
