//! The ends of the pods' logs: of the pod that most needs a look always, and of all of them while something runs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::cadence::Pace;
use super::super::sample::{Line, PodLog, Reading, Source};
use super::super::task::Voice;
use super::REFUSED_FOR;
use crate::clients::kubernetes::{ContainerState, Kubernetes, PodView};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::names::PartitionName;

/// Lines of a container's log that each look asks for; what was logged beyond that between two looks is not told.
const TAIL: u32 = 40;
/// How long a pod's log may hold up the next look at the pods.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the logs stand.
#[derive(Debug)]
pub struct Tails {
    /// The application's container.
    container: String,
    /// The last lines of each pod's log that were told.
    told: HashMap<String, Vec<String>>,
    /// When reading logs was last refused.
    refused: Option<Instant>,
}

impl Tails {
    /// Of the pods' container of that name.
    pub fn of(container: &str) -> Self {
        Self { container: container.to_owned(), told: HashMap::new(), refused: None }
    }

    /// Tells what the pods log. `pods` are the oldest first.
    pub async fn listen(
        &mut self,
        client: &Kubernetes,
        pods: &[PodView],
        pace: Pace,
        partition: &PartitionName,
        voice: &Voice,
    ) {
        if self.refused.is_some_and(|at| at.elapsed() < REFUSED_FOR) {
            return;
        }
        self.refused = None;
        let shown = needs_a_look(pods);
        if let Some(pod) = shown {
            let begun = Instant::now();
            let (container, before) = container_of(pod, &self.container);
            let lines = read(client, &pod.name, &container, before).await;
            if lines.as_ref().is_err_and(|trouble| trouble.kind == TroubleKind::Denied) {
                // It is the same for every pod: once is enough.
                self.refused = Some(Instant::now());
            }
            let own = container == self.container && !before;
            if let (true, Ok(lines), true) = (own, &lines, pace > Pace::Quiet) {
                self.tell(&pod.name, lines.clone(), partition, begun, voice).await;
            }
            let log = PodLog { pod: pod.name.clone(), container, before, lines };
            voice.say(partition, Source::Log(pod.name.clone()), begun, Ok(Reading::PodLog(log))).await;
        }
        if pace == Pace::Quiet || self.refused.is_some() {
            return;
        }
        self.told.retain(|known, _| pods.iter().any(|pod| pod.name == *known));
        for pod in pods.iter().filter(|pod| shown.is_none_or(|shown| shown.name != pod.name)) {
            let begun = Instant::now();
            // A pod that has not begun has no log, and that is no trouble of ours.
            let Ok(tail) = read(client, &pod.name, &self.container, false).await else { continue };
            self.tell(&pod.name, tail, partition, begun, voice).await;
        }
    }

    /// Tells what a pod logged since the look before. The first look at a pod only takes note of where its log stands.
    async fn tell(&mut self, pod: &str, tail: Vec<String>, partition: &PartitionName, begun: Instant, voice: &Voice) {
        let before = self.told.insert(pod.to_owned(), tail.clone());
        let Some(before) = before else { return };
        let line = |text: &String| Line { at: clock::now(), subject: pod.to_owned(), code: None, text: text.clone() };
        let lines: Vec<_> = new_lines(&before, &tail).iter().map(line).collect();
        if !lines.is_empty() {
            voice.say(partition, Source::Log(pod.to_owned()), begun, Ok(Reading::Lines(lines))).await;
        }
    }
}

async fn read(client: &Kubernetes, pod: &str, container: &str, before: bool) -> Result<Vec<String>, Trouble> {
    let reading = async {
        if before { client.logs_before(pod, container, TAIL).await } else { client.logs(pod, container, TAIL).await }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| {
        let message = format!("nothing within {} s", PATIENCE.as_secs());
        Err(Trouble::new("kubernetes:GetPodLog", TroubleKind::NoAnswer, message))
    })
}

/// The pod whose log says most: one that is not well before one that is, then the youngest.
fn needs_a_look(pods: &[PodView]) -> Option<&PodView> {
    let stays = || pods.iter().filter(|pod| pod.deleted.is_none());
    let unwell = |pod: &&PodView| !pod.ready;
    let restarted = |pod: &&PodView| pod.restarts() + pod.init.iter().map(|one| one.restarts).sum::<i32>();
    // Of several that are equally unwell, the last of the list: the youngest.
    stays().filter(unwell).max_by_key(restarted).or_else(|| stays().next_back()).or(pods.last())
}

/// Whose log of that pod: the init container's that does not get through, else the application's; and whether it is the log
/// of the run before, because the next one has not begun.
fn container_of(pod: &PodView, application: &str) -> (String, bool) {
    let waits = |state: &ContainerState| matches!(state, ContainerState::Waiting { .. });
    match pod.initialising() {
        Some((_, container)) => (container.name.clone(), waits(&container.state) && container.last.is_some()),
        None => {
            let own = pod.container(application);
            let before = own.is_some_and(|own| waits(&own.state) && own.last.is_some());
            (application.to_owned(), before)
        }
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
