//! The application's pods, and what they log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::cadence::Pace;
use super::sample::{Line, PodView, PodsView, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::kubernetes::{self, Kubernetes};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{DeploySpec, KubernetesTarget};

/// Lines of a container's log that each look asks for; what was logged beyond that between two looks is not told.
const TAIL: u32 = 40;

/// Asks for the deployment and its pods, and while something runs, for their logs.
#[derive(Debug)]
pub struct Pods {
    partition: PartitionName,
    target: KubernetesTarget,
    spec: DeploySpec,
    /// The client, once it could be made.
    client: Option<Kubernetes>,
    /// The last lines of each pod's log that were told.
    told: HashMap<String, Vec<String>>,
}

impl Ask for Pods {
    fn period(&self, pace: Pace) -> Duration {
        pace.metered()
    }

    async fn ask(&mut self, pace: Pace, voice: &Voice) {
        let begun = Instant::now();
        let said = self.look().await;
        if pace > Pace::Quiet
            && let Ok(Reading::Pods(view)) = &said
        {
            let names: Vec<_> = view.pods.iter().map(|pod| pod.name.clone()).collect();
            voice.say(&self.partition, Source::Pods, begun, said).await;
            self.listen(&names, voice).await;
        } else {
            voice.say(&self.partition, Source::Pods, begun, said).await;
        }
    }
}

impl Pods {
    /// A watcher of a partition's deployment.
    pub fn new(partition: PartitionName, target: KubernetesTarget, spec: DeploySpec) -> Self {
        Self { partition, target, spec, client: None, told: HashMap::new() }
    }

    async fn look(&mut self) -> Result<Reading, Trouble> {
        let client = self.client().await?;
        let (deployment, pods) =
            tokio::try_join!(client.deployment(&self.spec.deployment), client.pods(&self.spec.selector))?;
        let deployment = deployment.ok_or_else(|| {
            let message = format!("{} has no deployment {}", self.target.namespace, self.spec.deployment);
            Trouble::new("kubernetes:GetDeployment", TroubleKind::NotFound, message)
        })?;
        let count = |number: i32| u32::try_from(number).unwrap_or_default();
        Ok(Reading::Pods(PodsView {
            wanted: count(deployment.wanted),
            ready: count(deployment.ready),
            pods: pods.iter().rev().map(pod).collect(),
        }))
    }

    async fn client(&mut self) -> Result<Kubernetes, Trouble> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        // Made anew until it can be: a kubeconfig may appear after a sign-in.
        let client = Kubernetes::open(&self.target).await?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Tells what the pods logged since the look before. The first look at a pod only takes note of where its log stands.
    async fn listen(&mut self, pods: &[String], voice: &Voice) {
        let Some(client) = self.client.clone() else { return };
        self.told.retain(|pod, _| pods.contains(pod));
        for pod in pods {
            let begun = Instant::now();
            // A pod that has not begun has no log, and that is no trouble of ours.
            let Ok(tail) = client.logs(pod, &self.spec.container, TAIL).await else { continue };
            let before = self.told.insert(pod.clone(), tail.clone());
            let Some(before) = before else { continue };
            let line =
                |text: &String| Line { at: Timestamp::now(), subject: pod.clone(), code: None, text: text.clone() };
            let lines: Vec<_> = new_lines(&before, &tail).iter().map(line).collect();
            if !lines.is_empty() {
                voice.say(&self.partition, Source::Log(pod.clone()), begun, Ok(Reading::Lines(lines))).await;
            }
        }
    }
}

fn pod(pod: &kubernetes::PodView) -> PodView {
    PodView {
        name: pod.name.clone(),
        status: pod.status(),
        ready: pod.ready,
        restarts: u32::try_from(pod.restarts()).unwrap_or_default(),
        created: pod.created,
    }
}

/// What a tail holds beyond the tail before: the longest end of the one before with which it begins is known.
fn new_lines<'a>(before: &[String], tail: &'a [String]) -> &'a [String] {
    let known = (0..=before.len().min(tail.len())).rev().find(|length| before.ends_with(&tail[..*length]));
    &tail[known.unwrap_or_default()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn only_what_follows_the_known_end_of_a_log_is_new() {
        for (before, tail, expected) in
            [("abc", "bcd", "d"), ("abc", "abc", ""), ("", "ab", "ab"), ("abc", "xyz", "xyz"), ("aab", "abab", "ab")]
        {
            assert_eq!(new_lines(&lines(before), &lines(tail)), lines(expected), "{before} then {tail}");
        }
    }
}
