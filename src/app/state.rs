//! Everything that the screen shows: the fold of the run's events and of the watchers' samples, and where the operator
//! is looking. Only [`update`](super::update::update) changes it; drawing only reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::dialog::Dialog;
use super::fleet::Fleet;
use super::keymap::Keymap;
use super::live::Live;
use super::load_look::LoadLook;
use super::log::Log;
use super::queries::Queries;
use super::replay::Replay;
use super::share::Echo;
use super::terminal::Size;
use super::timeline_view::TimelineView;
use super::unplanned;
use crate::runbook::event::{Person, Session};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::Partition;
use crate::runbook::state::{PartitionRun, Run};
use crate::watch::{Near, Pace};

/// The theme of a shared screen, where none was asked for.
const SHARED_THEME: &str = "high-contrast";

/// The cockpit.
#[derive(Debug, Clone)]
pub struct State {
    /// The run, folded from its events.
    pub run: Run,
    /// Whether this session holds the controls.
    pub mode: Mode,
    /// The user of the system that this session is; none where it is of no consequence.
    pub user: Option<Person>,
    /// The second that is shown.
    pub now: Timestamp,
    /// Zone in which times are shown.
    pub zone: TimeZone,
    /// What the watchers say, by partition.
    pub live: BTreeMap<PartitionName, Live>,
    /// How often each partition is watched.
    pub pace: BTreeMap<PartitionName, Pace>,
    /// Which partitions are watched with everything there is.
    pub near: Near,
    /// The log.
    pub log: Log,
    /// The pane that has the keys.
    pub focus: Pane,
    /// Whether the operator gave it the keys; else the screen shows what matters.
    pub focus_chosen: bool,
    /// What of the timeline is drawn.
    pub timeline_view: TimelineView,
    /// Whether the focused pane has the whole screen.
    pub zoomed: bool,
    /// Index of the partition that is looked at.
    pub partition: usize,
    /// Index of the step that is marked in it.
    pub step: usize,
    /// Whether partition and step follow what runs, until the operator looks elsewhere.
    pub follows: bool,
    /// Lines by which each scrollable pane is scrolled back.
    pub scroll: BTreeMap<Pane, usize>,
    /// How the top queries are looked at.
    pub queries: Queries,
    /// How the load is looked at.
    pub load: LoadLook,
    /// What stands over the screen.
    pub dialog: Option<Dialog>,
    /// Whether the dialog has been on the screen; until then it takes no keys.
    pub dialog_drawn: bool,
    /// A short word to the operator, in the footer's place, and when it came.
    pub notice: Option<(Timestamp, String)>,
    /// Number of the next confirmation request.
    pub next_request: u64,
    /// When a program of each partition was last heard.
    pub heard: BTreeMap<PartitionName, Timestamp>,
    /// Room for a program's terminal on this screen.
    pub terminal_size: Size,
    /// How many times a terminal was attached to.
    pub attachments: u64,
    /// Which themes are asked for.
    pub themes: ThemeChoice,
    /// Whether others see the screen: what is private is masked then.
    pub share: bool,
    /// The keys that those who look on are shown.
    pub echo: Echo,
    /// The step whose silence the operator was called for.
    pub called_for: Option<StepRef>,
    /// Where a replay is; none where what is shown is of now.
    pub replay: Option<Replay>,
    /// Which key does what.
    pub keymap: Keymap,
    /// Set when the session is to end.
    pub leaving: bool,
}

/// Which themes are asked for, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThemeChoice {
    /// The usual one.
    pub usual: String,
    /// Whether the user asked for it.
    pub asked: bool,
    /// The one while a production partition is looked at, if it is another.
    pub production: Option<String>,
    /// All that there are, those that are shipped and the user's own, in the order in which they are offered.
    pub offered: Vec<String>,
}

/// Whether a session may change anything. It colours the badge and disables keys; what enforces it is that a monitor
/// has no [`Controls`](crate::clients::controls::Controls).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// It holds the controls.
    Operator,
    /// It only looks; who holds the controls, if anybody does.
    Monitor(Option<Session>),
}

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    /// The steps of the partition.
    Steps,
    /// What must hold for the step in hand.
    Checks,
    /// The failover timeline.
    Timeline,
    /// Average active sessions.
    Load,
    /// Top queries.
    Queries,
    /// The application's pods.
    Pods,
    /// The log.
    Log,
}

impl Pane {
    /// All panes, in the order in which Tab goes through them.
    pub const ALL: [Self; 7] =
        [Self::Steps, Self::Checks, Self::Timeline, Self::Load, Self::Queries, Self::Pods, Self::Log];

    /// Its name on screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Checks => "what must hold",
            Self::Timeline => "failover timeline",
            Self::Load => "average active sessions",
            Self::Queries => "top queries",
            Self::Pods => "application pods",
            Self::Log => "log",
        }
    }
}

impl State {
    /// A cockpit that looks at the partition in hand.
    pub fn new(run: Run, mode: Mode, now: Timestamp) -> Self {
        let zone = TimeZone::get(&run.plan.time_zone).unwrap_or(TimeZone::UTC);
        let live = run.plan.partitions.iter().map(|partition| {
            let mut live = Live::default();
            // Who was the writer before this session began, the run knows.
            live.load.recall(run.partition(&partition.name).map_or(&[], |run| &run.failovers));
            (partition.name.clone(), live)
        });
        let live = live.collect();
        let next_request = run.last_request + 1;
        let mut state = Self {
            run,
            mode,
            user: None,
            now,
            zone,
            live,
            pace: BTreeMap::new(),
            near: Near::All,
            log: Log::default(),
            focus: Pane::Steps,
            focus_chosen: false,
            timeline_view: TimelineView::default(),
            zoomed: false,
            partition: 0,
            step: 0,
            follows: true,
            scroll: BTreeMap::new(),
            queries: Queries::default(),
            load: LoadLook::default(),
            dialog: None,
            dialog_drawn: false,
            notice: None,
            next_request,
            heard: BTreeMap::new(),
            terminal_size: Size::default(),
            attachments: 0,
            themes: ThemeChoice::default(),
            share: false,
            echo: Echo::default(),
            called_for: None,
            replay: None,
            keymap: Keymap::default(),
            leaving: false,
        };
        super::narrate::resume_timelines(&mut state);
        state.follow();
        state.near = Fleet::of(&state).near();
        state
    }

    /// The partition that is looked at.
    pub fn looked_at(&self) -> (&Partition, &PartitionRun) {
        // The plan has at least one partition (its validation sees to it), and `partition` is kept below their number.
        (&self.run.plan.partitions[self.partition], &self.run.partitions[self.partition])
    }

    /// The theme in which the screen is drawn: the one that is marked in the palette, or else the chosen one.
    pub fn theme(&self) -> &str {
        let previewed = match &self.dialog {
            Some(Dialog::Palette(palette)) => palette.preview.as_deref(),
            _ => None,
        };
        previewed.unwrap_or_else(|| self.chosen_theme())
    }

    /// The theme that holds for what is looked at.
    pub fn chosen_theme(&self) -> &str {
        let ThemeChoice { usual, asked, production, .. } = &self.themes;
        let special = production.as_ref().filter(|_| self.looked_at().0.production).map(String::as_str);
        // What is sent over the wire loses its fine shades.
        let usual = if self.share && !asked { SHARED_THEME } else { usual };
        special.unwrap_or(usual)
    }

    /// What the watchers say of the partition that is looked at.
    pub fn live_here(&self) -> Option<&Live> {
        self.live.get(&self.looked_at().0.name)
    }

    /// The step that is marked.
    pub fn marked_step(&self) -> Option<StepRef> {
        let (partition, _) = self.looked_at();
        let step = partition.steps.get(self.step)?;
        Some(partition.reference(&step.id))
    }

    /// How often the partition's sources are asked, for reckoning how fresh a datum is.
    pub fn pace_of(&self, partition: &PartitionName) -> Pace {
        let known = self.pace.get(partition).copied().unwrap_or_default();
        // The session that fires a failover hurries until it is over.
        let hurries = self.live.get(partition).is_some_and(|live| live.timeline.is_open());
        if hurries && self.mode == Mode::Operator { known.max(Pace::Failover) } else { known }
    }

    /// Whether nothing moves there: no step and no failover, fired from here or not. Its sources are asked quietly then.
    pub fn is_calm_in(&self, partition: &PartitionName) -> bool {
        let moves = self.live.get(partition).is_some_and(|live| live.timeline.is_open());
        let runs = self.run.running().is_some_and(|(step, _)| step.partition == *partition);
        !moves && !runs && self.pace_of(partition) == Pace::Quiet
    }

    /// How far the focused or given pane is scrolled back.
    pub fn scrolled(&self, pane: Pane) -> usize {
        self.scroll.get(&pane).copied().unwrap_or(0)
    }

    /// How long since a moment, never below zero.
    pub fn since(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(at)).unwrap_or_default()
    }

    /// How long until a moment, never below zero.
    pub fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now)).unwrap_or_default()
    }

    /// Looks at the partition in hand and marks its running or next step, if the operator has not looked elsewhere.
    pub fn follow(&mut self) {
        if !self.follows {
            return;
        }
        // What nobody fired is worse than what runs.
        let unplanned = unplanned::looked_at(self);
        if let Some(index) = unplanned.or_else(|| self.run.partition_in_hand()).and_then(|name| self.index_of(name)) {
            self.partition = index;
        }
        self.follow_pane();
        let (partition, _) = self.looked_at();
        let reference = |step: &crate::runbook::plan::Step| partition.reference(&step.id);
        // A step that waits for a later one is not behind, and is not next either.
        let next = self.run.next_step().map(|(step, _)| step);
        let marked = partition
            .steps
            .iter()
            .position(|step| self.run.state_of(&reference(step)).is_running())
            .or_else(|| partition.steps.iter().position(|step| next.as_ref() == Some(&reference(step))))
            .or_else(|| partition.steps.iter().position(|step| !self.run.state_of(&reference(step)).is_behind()));
        self.step = marked.unwrap_or(partition.steps.len().saturating_sub(1));
    }

    /// Gives the keys to the timeline while a failover is under way, and back to the steps when it is over, unless the
    /// operator chose a pane: where one pane is seen at a time, that is the one that matters.
    fn follow_pane(&mut self) {
        let under_way = self.live_here().is_some_and(|live| live.timeline.is_open());
        match (under_way, self.focus) {
            _ if self.focus_chosen => {}
            (true, _) => self.focus = Pane::Timeline,
            (false, Pane::Timeline) => self.focus = Pane::Steps,
            _ => {}
        }
    }

    /// Position of a partition in the plan.
    pub fn index_of(&self, name: &PartitionName) -> Option<usize> {
        self.run.place(name)
    }
}
