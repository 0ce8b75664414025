//! A production window before it opens, while it is too short for what is to come, and after its end.

use aurora_cockpit::app::dialog::{Confirm, Dialog};
use aurora_cockpit::app::state::State;
use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{Brief, Event};
use aurora_cockpit::runbook::names::StepRef;
use jiff::SignedDuration;

use super::night::{self, Night, at};

/// Prod, up to its failover, which comes late.
fn late(now: &str) -> Night {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_to_failover();
    if now > "2026-05-15T01" {
        night.pass("prod", "failover", "2026-05-15T00:53:10", 41);
    }
    night
}

/// Prod's amm.sh is confirmed half an hour before its window opens.
fn confirming_too_early() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    let now = at("22:30:02");
    let holds =
        |text: &str, holds| Precondition { text: text.to_owned(), holds, at: now - SignedDuration::from_millis(700) };
    let id = night.plan().partitions[3].cluster.id.clone();
    let brief = Brief {
        what: format!("Run ./amm.sh for {id}: five stacks, one after the other."),
        calls: Vec::new(),
        preconditions: vec![
            holds("snapshot available", Holds::Yes),
            holds("outside its window: it opens 23:00 PDT, in 30 min", Holds::Mind),
        ],
        feels: Some("Where changes apply at once, both instances restart; in prod they are queued.".to_owned()),
        then: Some("3 Verify dynamic parameters".to_owned()),
        back: None,
        type_name: Some(id),
        already_done: None,
        choices: Vec::new(),
    };
    let step = StepRef::new("prod", "amm");
    let opened = Event::ConfirmationOpened { step: step.clone(), request: 19, brief: Box::new(brief.clone()) };
    night.tell(at("22:30:01"), opened);
    let mut state = night.state("22:30:02");
    state.dialog = Some(Dialog::Confirm(Box::new(Confirm::new(step, 19, brief))));
    state
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    let (short, over) = ("2026-05-15T00:52:00", "2026-05-15T01:06:30");
    vec![
        ("window-ahead", night::demo_is_through()),
        ("window-too-short", late(short).state(short)),
        ("window-over", late(over).state(over)),
        ("confirming-too-early", confirming_too_early()),
    ]
}
