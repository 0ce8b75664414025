//! What a session notices of other sessions, in the operator's words.

use jiff::Timestamp;

use crate::clock;
use crate::journal::Owner;
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Session};

/// The session before left no word that it had ended.
pub(super) fn died(former: &Session, last: Timestamp) -> Finding {
    let Session { operator, host, pid, .. } = former;
    let evidence = Evidence {
        source: "journal".to_owned(),
        text: format!("the session of {operator} on {host} (process {pid}) was opened and never closed"),
        at: last,
    };
    let now = clock::now().strftime("%H:%M:%S UTC");
    Finding::of("cockpit-killed", format!("the session before ended without closing; taken up again at {now}"))
        .because(evidence)
        .meaning("what had been fired went on meanwhile; what became of it is looked up, and nothing is sent twice")
        .way_out("nothing; the run goes on from its journal")
}

/// Somebody else wanted the controls meanwhile.
pub(super) fn two_operators(other: &Owner) -> Finding {
    let Owner { operator, host, pid, since } = other;
    let evidence = Evidence {
        source: "the run's lock".to_owned(),
        text: format!("refused to {operator} on {host} (process {pid})"),
        at: *since,
    };
    Finding::of("two-operators", format!("{operator} on {host} wanted the controls of this run and was refused"))
        .because(evidence)
        .meaning("this session alone changes anything; the other one may look on as a monitor")
        .way_out(format!(
            "agree with {operator} who operates; `aurora-cockpit monitor` shows them the same screens, and \
             `run --take-over` with your name hands the run to them"
        ))
}
