//! The old snapshot deleted, the new one taken.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use super::super::{cluster, snapshot};
use crate::clients::Trouble;
use crate::runbook::check::{Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Choice, Finding, Outcome};
use crate::runbook::plan::SnapshotSpec;

pub(super) async fn brief(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let (cluster, old) = tokio::try_join!(look.cluster(), look.tools.aws.rds.snapshot(&spec.id))?;
    let mut brief = look.brief(format!("Delete snapshot {} and take it anew", spec.id));
    let target = &look.tools.aws.target;
    brief.calls = vec![snapshot::deletion(spec).call(target), snapshot::creation(look, spec).call(target)];
    // A cluster that is busy would refuse the new one once the old one is gone.
    brief.preconditions = vec![cluster::available(&cluster)];
    let Some(old) = old else {
        let missing = format!("there is no snapshot {}: fire the step, it takes one", spec.id);
        brief.preconditions.push(Precondition::require(false, missing));
        return Ok(brief);
    };
    let there = format!("snapshot {} {}{}", old.id, old.status, snapshot::made(&old));
    brief.preconditions.push(Precondition::require(old.status == "available", there));
    if snapshot::is_own(look, spec) {
        let text = format!("{} is this run's own insurance; until the new one is available there is none", spec.id);
        brief.preconditions.push(Precondition::now(text, Holds::Mind));
        brief.choices = vec![Choice { id: spec.id.clone(), label: format!("retake this run's own {}", spec.id) }];
    }
    Ok(brief)
}

pub(super) async fn run(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    // A former attempt asked for the new one, and it is not known whether there is one: it is looked for, and not deleted.
    let asked = act.open_call().is_some_and(|open| open.action.key == snapshot::creation_key(spec));
    let begun = asked || act.attempt.action(&snapshot::deletion_key(spec)).is_some();
    if !begun && snapshot::is_own(act, spec) && act.attempt.choice.as_deref() != Some(&spec.id) {
        let finding = Finding::unknown(format!("{} is this run's own insurance", spec.id))
            .meaning("nothing was done")
            .way_out(format!("pull the lever again and choose {} by its name, if it is to be retaken", spec.id));
        return Err(finding.into());
    }
    act.check(snapshot::gone(Verdict::Pending)).await?;
    act.check(snapshot::pending(spec, Verdict::Pending)).await?;
    // Once the new one was asked for, the old one is no more, and what is there must not be taken for it.
    if !asked && act.attempt.action(&snapshot::creation_key(spec)).is_none() {
        snapshot::delete(act, spec).await?;
        snapshot::until_gone(act, spec).await?;
    }
    snapshot::take(act, spec).await?;
    act.verifying().await?;
    snapshot::until_available(act, spec).await?;
    Ok(Outcome::Passed)
}
