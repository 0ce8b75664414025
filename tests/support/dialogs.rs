//! Every dialog, and every pane with the whole screen to itself, over moments of the night.

use aurora_cockpit::app::dialog::{Ask, Button, Confirm, Dialog, Purpose, Wants};
use aurora_cockpit::app::palette::Palette;
use aurora_cockpit::app::replay::{Mark, Marked, Replay};
use aurora_cockpit::app::state::{Mode, Pane, State, ThemeChoice};
use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{Brief, Call, Event, NoteKind};
use aurora_cockpit::runbook::names::StepRef;
use jiff::SignedDuration;

use super::night::{self, Night, at};
use super::trouble;

/// What a confirmation shows of a step that only looks, or of one whose look found it done.
fn brief(what: &str, already_done: Option<&str>) -> Brief {
    let age = |seconds| at("11:08:02") - SignedDuration::from_secs(seconds);
    let call = Call {
        operation: "rds:CreateDBClusterSnapshot".to_owned(),
        target: "account 1234…7890 · us-east-1 · profile Admin-Alpha2".to_owned(),
        command_line: "aws rds create-db-cluster-snapshot --db-cluster-identifier Alpha002-dev-AuroraCluster \
                       --db-cluster-snapshot-identifier pdev-479-dev --region us-east-1 --profile Admin-Alpha2"
            .to_owned(),
    };
    let long =
        "cluster backing-up: the snapshot waits until it is available, which takes some minutes at this time of day";
    Brief {
        what: what.to_owned(),
        calls: vec![call],
        preconditions: vec![
            Precondition { text: "no snapshot of that name".to_owned(), holds: Holds::Yes, at: age(1) },
            Precondition { text: long.to_owned(), holds: Holds::Mind, at: age(2) },
            Precondition { text: "the session is good for 7 h".to_owned(), holds: Holds::No, at: age(3) },
            Precondition { text: "both instances in-sync".to_owned(), holds: Holds::Yes, at: age(40) },
        ],
        feels: Some("Nothing: a cluster snapshot is taken from storage, traffic goes on.".to_owned()),
        then: Some("2 amm.sh".to_owned()),
        back: None,
        type_name: None,
        already_done: already_done.map(str::to_owned),
        choices: Vec::new(),
    }
}

/// Dev's snapshot is confirmed, with what blocks, what is minded and what is too old; or, without those, fired.
fn confirming(fires: bool) -> State {
    let mut night = Night::begin();
    night.pass("dev", "prerequisites", "11:05:02", 18);
    night.pass("dev", "drift", "11:07:11", 7);
    let step = StepRef::new("dev", "snapshot");
    let already = (!fires).then_some("a snapshot of yesterday is there: it is older than what it would insure");
    let mut brief = brief("Take snapshot pdev-479-dev of Alpha002-dev-AuroraCluster.", already);
    if fires {
        brief.preconditions.truncate(1);
    }
    let opened = Event::ConfirmationOpened { step: step.clone(), request: 7, brief: Box::new(brief.clone()) };
    night.tell(at("11:08:01"), opened);
    let mut state = night.state("11:08:02");
    let mut confirm = Confirm::new(step, 7, brief);
    if fires {
        (confirm.focus, confirm.firing) = (Button::Fire, true);
    } else {
        confirm.refused = Some("dev/snapshot may not be fired: the session is good for 7 h no longer".to_owned());
    }
    state.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    state
}

/// Prod's failover waits for a second person's approval: as its operator sees it, and as that person is asked.
fn approval(asked: bool) -> State {
    let mut state = night::confirming_in_production();
    if asked {
        state.mode = Mode::Monitor(state.run.session.clone());
    }
    if let Some(Dialog::Confirm(confirm)) = &mut state.dialog {
        confirm.typed = confirm.brief.type_name.clone().unwrap_or_default();
        confirm.wants = Wants::Another;
        confirm.approving = asked;
    }
    state
}

fn over(mut state: State, dialog: Dialog) -> State {
    state.dialog = Some(dialog);
    state
}

fn asking(state: State, purpose: Purpose, text: &str) -> State {
    over(state, Dialog::Ask(Ask::new(purpose, text)))
}

/// A partition of production is taken back; its cluster's name must be typed.
fn rolling_back() -> State {
    let state = trouble::amm_in_trouble();
    let cluster = state.looked_at().0.cluster.id.clone();
    let mut ask = Ask::new(Purpose::RollBack("prod".into()), "the stack was rolled back by hand").naming(&cluster);
    if let Some(name) = &mut ask.name {
        name.typed = "Alpha001-prod".to_owned();
        name.focused = true;
    }
    over(state, Dialog::Ask(ask))
}

/// An answer that was not taken.
fn going_ahead() -> State {
    let mut ask = Ask::new(Purpose::GoAhead("stage".into()), "");
    ask.by_enter = true;
    ask.refused = ask.lacks().map(str::to_owned);
    over(night::waiting_for_go_ahead(), Dialog::Ask(ask))
}

fn going_back() -> State {
    let step = |step: &str| StepRef::new("prod", step);
    let purpose = Purpose::Back { to: step("snapshot"), from: step("amm") };
    asking(trouble::amm_in_trouble(), purpose, "the group is not attached")
}

fn choosing_a_theme() -> State {
    let mut state = night::failover();
    let offered = ["dark", "light", "high-contrast", "colour-blind", "production", "monochrome", "mine"];
    let offered = offered.map(str::to_owned).into();
    state.themes = ThemeChoice { usual: "dark".to_owned(), offered, ..ThemeChoice::default() };
    let preview = Some("light".to_owned());
    over(state, Dialog::Palette(Palette { words: "theme".to_owned(), marked: 1, preview, ..Palette::default() }))
}

fn replaying() -> State {
    let mut state = night::failover();
    state.mode = Mode::Monitor(None);
    let marks = [("11:15:29", Marked::Fired), ("12:43:00", Marked::Word), ("22:33:28", Marked::Failed)];
    let marks = marks.map(|(clock, what)| Mark { at: at(clock), what }).into();
    let (from, to) = (state.run.started_at, at("23:40:00"));
    state.replay = Some(Replay { from, to, marks, speed: 5.0, paused: true });
    state
}

/// A pane with the whole screen.
fn zoomed(mut state: State, pane: Pane) -> State {
    (state.focus, state.focus_chosen, state.zoomed) = (pane, true, true);
    state
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    let note = |kind, text| asking(trouble::amm_in_trouble(), Purpose::Note(StepRef::new("prod", "amm"), kind), text);
    let details = |state, partition: &str, step: &str| {
        over(state, Dialog::Details { step: StepRef::new(partition, step), scroll: 0 })
    };
    vec![
        ("confirming", confirming(false)),
        ("firing", confirming(true)),
        ("waiting-for-approval", approval(false)),
        ("approving", approval(true)),
        ("noting", note(NoteKind::Remark, "asked on the channel who switched Insights to advanced")),
        ("deciding", note(NoteKind::Decision, "")),
        ("following-up", note(NoteKind::FollowUp, "put the retention into the template")),
        ("going-ahead", going_ahead()),
        ("going-back", going_back()),
        ("rolling-back", rolling_back()),
        ("stopping", asking(night::failover(), Purpose::Stop, "")),
        ("details-behind", details(night::failover(), "stage", "failover")),
        ("details-to-come", details(night::failover(), "prod", "flush-writer")),
        ("theme-previewed", choosing_a_theme()),
        ("replaying", replaying()),
        ("steps-zoomed", zoomed(night::failover(), Pane::Steps)),
        ("checks-zoomed", zoomed(night::failover(), Pane::Checks)),
        ("load-zoomed", zoomed(night::failover(), Pane::Load)),
        ("queries-zoomed", zoomed(night::failover(), Pane::Queries)),
        ("pods-zoomed", zoomed(night::failover(), Pane::Pods)),
    ]
}
