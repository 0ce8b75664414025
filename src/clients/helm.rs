//! Helm releases. The upgrade itself takes minutes and runs as a program of its own; here is what it is called with.

use serde::Deserialize;

use super::program::{Capture, Captured, Spec};
use super::{Trouble, TroubleKind};
use crate::runbook::event::Call;
use crate::runbook::plan::KubernetesTarget;
use crate::runbook::text::clean_line;

/// Helm for one namespace of one context.
#[derive(Debug, Clone)]
pub struct Helm {
    target: KubernetesTarget,
}

/// A revision of a release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Revision {
    /// Its number, from 1.
    pub revision: u64,
    /// When it was made, as helm prints it.
    pub updated: String,
    /// `deployed`, `superseded`, `failed`, `pending-upgrade`, …
    pub status: String,
    /// Chart with its version.
    pub chart: String,
    /// Version of the application.
    #[serde(default)]
    pub app_version: String,
    /// `Upgrade complete`, `Rollback to 41`, …
    #[serde(default)]
    pub description: String,
}

/// How a release stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its current revision.
    pub revision: u64,
    /// `deployed`, `failed`, `pending-upgrade`, …
    pub status: String,
    /// What helm says on it.
    pub description: String,
}

impl Helm {
    /// Helm for that namespace.
    pub fn new(target: &KubernetesTarget) -> Self {
        Self { target: target.clone() }
    }

    /// The revisions of a release, oldest first.
    pub async fn history(&self, release: &str) -> Result<Vec<Revision>, Trouble> {
        const CALL: &str = "helm history";
        let mut revisions: Vec<Revision> = self.ask(CALL, "history", release).await?.json(CALL)?;
        for revision in &mut revisions {
            revision.description = clean_line(&revision.description);
        }
        Ok(revisions)
    }

    /// How a release stands.
    pub async fn status(&self, release: &str) -> Result<Release, Trouble> {
        #[derive(Deserialize)]
        struct Answer {
            version: u64,
            info: Info,
        }
        #[derive(Deserialize)]
        struct Info {
            status: String,
            #[serde(default)]
            description: String,
        }
        const CALL: &str = "helm status";
        let answer: Answer = self.ask(CALL, "status", release).await?.json(CALL)?;
        let description = clean_line(&answer.info.description);
        Ok(Release { revision: answer.version, status: answer.info.status, description })
    }

    /// The program that upgrades a release, or installs it where there is none.
    pub fn upgrade(&self, release: &str, chart: &str, values: &str, directory: &str) -> Spec {
        let words = ["upgrade", "--install", release, chart, "--values", values];
        Spec::new("helm", &self.arguments(&words), directory)
    }

    /// The program that goes back to a revision.
    pub fn rollback(&self, release: &str, revision: u64, directory: &str) -> Spec {
        Spec::new("helm", &self.arguments(&["rollback", release, &revision.to_string()]), directory)
    }

    /// The call that such a program is.
    pub fn call(&self, spec: &Spec) -> Call {
        let verb = spec.arguments.first().map(String::as_str).unwrap_or_default();
        Call {
            operation: format!("helm {verb}"),
            target: super::kubernetes::describe(&self.target),
            command_line: spec.command_line(),
        }
    }

    async fn ask(&self, call: &str, verb: &str, release: &str) -> Result<Captured, Trouble> {
        let answer = Capture::new("helm", self.arguments(&[verb, release, "--output", "json"])).run(call).await?;
        if answer.is_success() { Ok(answer) } else { Err(answer.trouble(call, kind(&answer.stderr))) }
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let place = ["--namespace", &self.target.namespace, "--kube-context", &self.target.context];
        words.iter().chain(&place).map(|word| (*word).to_owned()).collect()
    }
}

fn kind(complaint: &str) -> TroubleKind {
    let complaint = complaint.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| complaint.contains(part));
    if says(&["release: not found"]) {
        TroubleKind::NotFound
    } else if says(&["unauthorized", "must be logged in", "expired"]) {
        TroubleKind::SignedOut
    } else if says(&["forbidden"]) {
        TroubleKind::Denied
    } else if says(&["cluster unreachable", "connection refused", "no such host", "does not exist"]) {
        TroubleKind::Unreachable
    } else if says(&["timeout", "timed out"]) {
        TroubleKind::NoAnswer
    } else {
        TroubleKind::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upgrade_is_the_runbooks_command() {
        let helm = Helm::new(&KubernetesTarget { context: "Alpha002".into(), namespace: "dev-operations".into() });
        let spec = helm.upgrade("operations", "./src/main/helm", "src/main/helm/values-dev.yaml", "/src/operations");
        assert_eq!(
            helm.call(&spec).command_line,
            "helm upgrade --install operations ./src/main/helm --values src/main/helm/values-dev.yaml \
             --namespace dev-operations --kube-context Alpha002"
        );
        assert_eq!(helm.call(&helm.rollback("operations", 41, "/")).operation, "helm rollback");
    }

    #[test]
    fn complaints_are_told_apart() {
        for (complaint, expected) in [
            ("Error: release: not found", TroubleKind::NotFound),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://x\": dial tcp: connection refused",
                TroubleKind::Unreachable,
            ),
            ("Error: query: failed to query: secrets is forbidden", TroubleKind::Denied),
            ("Error: UPGRADE FAILED: another operation is in progress", TroubleKind::Refused),
        ] {
            assert_eq!(kind(complaint), expected, "{complaint}");
        }
    }
}
