//! This machine, and what is installed from it.

use super::{Judged, Look, Verdicts};
use crate::clients::browser::Browser;
use crate::clients::helm::Helm;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;
use crate::runbook::plan::{DeployBy, StepKind};

/// A program is on PATH.
pub(super) fn program(name: &str, fallback: Option<&str>) -> Judged {
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file()));
    match (found, fallback) {
        (Some(file), _) => Judged::Holds(file.display().to_string()),
        (None, Some(fallback)) => Judged::Mind(format!("not on PATH: {fallback}"), None),
        (None, None) => Judged::Fails(
            Finding::unknown(format!("{name} is not on PATH"))
                .because(Evidence::now("PATH", format!("no file {name} in any of its directories")))
                .way_out(format!("install {name}, then check again"))
                .again(),
        ),
    }
}

/// Node and a browser can be run.
pub(super) async fn browser(look: &Look, fallback: &str) -> Judged {
    match Browser::find(&look.run_dir.join("app-health")).await {
        Ok(_) => Judged::Holds("at hand".to_owned()),
        Err(trouble) => Judged::Mind(format!("{}: {fallback}", trouble.message), None),
    }
}

/// There is room for the journal: a full disk stops it, and with it everything.
pub(super) fn disk(look: &Look, least_mb: u64) -> Verdicts {
    let place = look.run_dir.display();
    let room = rustix::fs::statvfs(&look.run_dir)
        .map_err(|error| Trouble::new("statvfs", TroubleKind::Refused, format!("{place}: {error}")))?;
    let free_mb = room.f_bavail.saturating_mul(room.f_frsize) / 1_000_000;
    if free_mb >= least_mb {
        return Ok(Judged::Holds(format!("{free_mb} MB free")));
    }
    Ok(Judged::Fails(
        Finding::unknown(format!("{free_mb} MB are free in {place}, and {least_mb} MB are wanted"))
            .because(Evidence::now("statvfs", format!("{free_mb} MB free")))
            .meaning("a full disk stops the journal, and with it every step")
            .way_out("make room, or choose another directory with --state-dir; then check again")
            .again(),
    ))
}

/// The release that the deploy step upgrades from here.
fn release(look: &Look) -> Option<&str> {
    look.partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Deploy(spec) => match &spec.by {
            DeployBy::Helm { release, .. } => Some(release.as_str()),
            DeployBy::Elsewhere { .. } => None,
        },
        _ => None,
    })
}

pub(super) fn helm_line(look: &Look) -> String {
    let Some(target) = &look.partition.kubernetes else { return "helm status".to_owned() };
    let release = release(look).unwrap_or_default();
    format!("helm status {release} --namespace {} --kube-context {}", target.namespace, target.context)
}

/// The release is there, and no operation of helm's is stuck on it. Its revision is where a rollback goes.
pub(super) async fn helm_release(look: &Look) -> Verdicts {
    let (Some(release), Some(target)) = (release(look), &look.partition.kubernetes) else {
        return Ok(Judged::Holds("deployed from elsewhere".to_owned()));
    };
    let found = match Helm::new(target).status(release).await {
        Ok(found) => found,
        Err(trouble) if trouble.kind == TroubleKind::NotFound => {
            return Ok(Judged::Mind(
                format!("{release} is not installed: there will be no revision to go back to"),
                None,
            ));
        }
        Err(trouble) => return Err(trouble),
    };
    let revision = found.revision;
    if !found.status.starts_with("pending-") {
        let way_back = format!("helm rollback {release} {revision}");
        return Ok(Judged::Holds(format!("revision {revision}, {}; the way back is {way_back}", found.status)));
    }
    Ok(Judged::Fails(
        Finding::unknown(format!("{release} is {}: helm takes nothing else meanwhile", found.status))
            .because(Evidence::now("helm status", format!("revision {revision}, {}", found.status)))
            .meaning("step 8 would be refused: another operation is in progress")
            .way_out(format!("wait for whoever deploys; where nobody does, helm rollback {release}; then check again"))
            .again_after(look.step.retry_after),
    ))
}
