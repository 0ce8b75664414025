//! The former writer made writer again: a failover in the other direction, witnessed as the first one is.

use super::super::act::Act;
use super::super::cluster;
use super::super::context::{Look, Stop};
use super::super::failover::{self, Move};
use crate::clients::Trouble;
use crate::clients::rds::ClusterView;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::event::{Brief, Finding, Outcome};
use crate::steps::diagnosis;

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let direction = match direction(look, &cluster) {
        Ok(direction) => direction,
        Err(finding) => {
            let mut brief = look.brief(format!("Fail {} back", look.partition.cluster.id));
            brief.preconditions = vec![Precondition::now(finding.cause, Holds::No)];
            return Ok(brief);
        }
    };
    let mut brief = look.brief(format!("Make {} the writer again, in the place of {}", direction.to, direction.from));
    brief.calls.push(failover::change(look, &direction.to).call(&look.tools.aws.target));
    if let (Some(writer), Some(target)) = (cluster.writer(), cluster.member(&direction.to)) {
        brief.preconditions = failover::preconditions(&cluster, writer, target);
    }
    Ok(brief)
}

/// From the writer that RDS names to the one before this run's failover.
fn direction(look: &Look, cluster: &ClusterView) -> Result<Move, Finding> {
    let refuse = |cause: String| diagnosis::with_guide(look, Finding::unknown(cause));
    let Some(former) = failover::former_writer(look) else {
        return Err(refuse("nothing has failed over in this run, so there is no former writer".to_owned()));
    };
    let writer = cluster::writer(look, cluster)?.id.clone();
    let Some(member) = cluster.member(&former) else {
        return Err(refuse(format!("{former}, the former writer, is no member of {} any more", cluster.id)));
    };
    if member.is_writer {
        return Err(refuse(format!("{former} is the writer already")));
    }
    Ok(Move { from: writer, to: former })
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    let direction = match failover::intended(act) {
        Some(direction) => direction,
        None => {
            let cluster = failover::look(act).await?;
            direction(act, &cluster)?
        }
    };
    failover::move_writer(act, direction).await
}
