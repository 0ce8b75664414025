//! The helm release: which revision is live, who made it, and to which one it can be taken back.

use std::collections::BTreeMap;

use super::super::context::Look;
use crate::clients::helm::{Helm, Revision};
use crate::clients::kubernetes::DeploymentView;
use crate::clients::program::Spec;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::plan::{DeployBy, DeploySpec};

/// Under this key the intent of an upgrade says which revision was live before it; 0 where there was none.
const REVISION: &str = "revision";

/// The release as helm tells it.
pub struct Release {
    pub name: String,
    /// Oldest first.
    pub revisions: Vec<Revision>,
}

/// How the awaited chart is found when the step is fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Something else runs.
    No,
    /// It runs, and a former attempt of this step deployed it.
    Ours,
    /// It runs, and somebody else deployed it.
    Elsewhere,
}

impl Release {
    /// Asks helm.
    ///
    /// # Errors
    /// If helm does not answer. That there is no such release is an answer.
    pub async fn of(helm: &Helm, name: &str) -> Result<Self, Trouble> {
        let revisions = match helm.history(name).await {
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Vec::new(),
            revisions => revisions?,
        };
        Ok(Self { name: name.to_owned(), revisions })
    }

    /// The newest revision.
    pub fn live(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// The newest revision's number; 0 where there is none.
    pub fn number(&self) -> u64 {
        self.live().map_or(0, |revision| revision.revision)
    }

    /// The newest revision in a few words.
    pub fn words(&self) -> String {
        let Some(Revision { revision, updated, status, chart, description, .. }) = self.live() else {
            return format!("there is no release {} yet", self.name);
        };
        format!("revision {revision} of {updated}: {chart}, {status}, {description}")
    }

    /// That no operation is under way; helm refuses a second one.
    pub fn at_rest(&self) -> Precondition {
        let pending = self.live().is_some_and(|live| live.status.starts_with("pending-"));
        let holds = if pending { Holds::No } else { Holds::Yes };
        let words = match self.live() {
            Some(live) => format!("helm: {} revision {} {}", self.name, live.revision, live.status),
            None => format!("helm: no release {} yet", self.name),
        };
        Precondition::now(words, holds)
    }

    /// What an intent notes of the release before it is changed.
    pub fn before(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(REVISION.to_owned(), self.number().to_string())])
    }

    /// Whether the awaited chart is live already, and by whom.
    pub fn found(&self, look: &Look, spec: &DeploySpec, deployment: Option<&DeploymentView>) -> Found {
        let stands = self.live().is_some_and(|live| live.status == "deployed");
        if !stands || !runs_awaited(spec, deployment) {
            return Found::No;
        }
        let ours = upgraded_from(look).is_some_and(|before| before + 1 == self.number());
        if ours { Found::Ours } else { Found::Elsewhere }
    }
}

/// Helm and the command by which the chart is deployed; none where somebody else deploys it.
pub fn upgrade(look: &Look, spec: &DeploySpec) -> Option<(Helm, Spec, String)> {
    let target = look.partition.kubernetes.as_ref()?;
    let DeployBy::Helm { release, chart, values, directory } = &spec.by else { return None };
    let helm = Helm::new(target);
    let command = helm.upgrade(release, chart, values, directory);
    Some((helm, command, release.clone()))
}

/// Whether the deployment's template is the awaited chart's.
pub fn runs_awaited(spec: &DeploySpec, deployment: Option<&DeploymentView>) -> bool {
    deployment.is_some_and(|deployment| deployment.images.iter().any(|image| image.ends_with(&spec.init_image)))
}

/// The revision that was live before this run's latest upgrade in the partition; none if it made none.
pub fn upgraded_from(look: &Look) -> Option<u64> {
    let deploys = look.so_far.steps.iter().flat_map(|step| &step.attempts).flat_map(|attempt| &attempt.actions);
    let sent = deploys.filter(|sent| sent.action.call.operation == "helm" && sent.may_have_acted());
    sent.max_by_key(|sent| sent.at)?.action.before.get(REVISION)?.parse().ok()
}
