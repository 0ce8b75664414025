//! The application's pods: the deployment, the secret they start with, and what they log.
//!
//! They are asked for again and again instead of being watched by a stream. A look is two calls, and four more every few
//! looks; that is less than what one open `kubectl get --watch` of a colleague costs the API server in a rollout. And a stream
//! on which nothing comes looks the same whether nothing happens or nobody is there any more, while an answer that does not
//! come shows in the datum's age.

mod tail;

use std::time::{Duration, Instant};

use super::cadence::Pace;
use super::sample::{EndedRun, ExternalView, Gap, Glimpse, InitView, PodView, PodsView, Reading, SecretView, Source};
use super::task::{Ask, Voice};
use crate::clients::kubernetes::{self, ContainerState, ContainerView, DeploymentView, Kubernetes, RunView};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{DeploySpec, KubernetesTarget};
use tail::Tails;

/// How long after a refusal the same is not asked again: rights are given by people.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Asks for the deployment, its pods and their secret, and for their logs.
#[derive(Debug)]
pub struct Pods {
    partition: PartitionName,
    target: KubernetesTarget,
    spec: DeploySpec,
    /// The client, once it could be made.
    client: Option<Kubernetes>,
    /// The secret as it was last looked at, and when it is to be looked at again.
    secret: Option<(Instant, SecretView, Vec<Gap>)>,
    tails: Tails,
}

impl Ask for Pods {
    fn period(&self, pace: Pace) -> Duration {
        pace.metered()
    }

    async fn ask(&mut self, pace: Pace, voice: &Voice) {
        let begun = Instant::now();
        let said = match self.client().await {
            Ok(client) => match tokio::time::timeout(patience(pace), self.look(&client, pace)).await {
                Ok(looked) => looked.map(|looked| (client, looked)),
                Err(_) => {
                    let message = format!("nothing within {} s", patience(pace).as_secs());
                    Err(Trouble::new("kubernetes:ListPods", TroubleKind::NoAnswer, message))
                }
            },
            Err(trouble) => Err(trouble),
        };
        match said {
            Err(trouble) => voice.say(&self.partition, Source::Pods, begun, Err(trouble)).await,
            Ok((client, (view, pods))) => {
                voice.say(&self.partition, Source::Pods, begun, Ok(Reading::Pods(view))).await;
                self.tails.listen(&client, &pods, pace, &self.partition, voice).await;
            }
        }
    }
}

impl Pods {
    /// A watcher of a partition's deployment.
    pub fn new(partition: PartitionName, target: KubernetesTarget, spec: DeploySpec) -> Self {
        let tails = Tails::of(&spec.container);
        Self { partition, target, spec, client: None, secret: None, tails }
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

    /// What is there. The pods must be seen; whatever else may not be read is a gap, and the rest goes on.
    async fn look(&mut self, client: &Kubernetes, pace: Pace) -> Result<(PodsView, Vec<kubernetes::PodView>), Trouble> {
        let (deployment, pods) =
            tokio::join!(client.deployment(&self.spec.deployment), client.pods(&self.spec.selector));
        let pods = pods?;
        let mut view = PodsView { pods: pods.iter().rev().map(|pod| self.pod(pod)).collect(), ..PodsView::default() };
        match deployment {
            Ok(Some(deployment)) => fill(&mut view, &deployment, &self.spec.container),
            Ok(None) => {
                let message = format!("{} has no deployment {}", self.target.namespace, self.spec.deployment);
                return Err(Trouble::new("kubernetes:GetDeployment", TroubleKind::NotFound, message));
            }
            Err(trouble) if trouble.kind == TroubleKind::Denied => {
                // How many are wanted only the deployment knows: those that are not leaving, then.
                let stay = || view.pods.iter().filter(|pod| !pod.leaves());
                view.wanted = count(stay().count());
                view.ready = count(stay().filter(|pod| pod.ready).count());
                let what = format!("deployment {}", self.spec.deployment);
                let loses = "its image and how many are wanted are not seen".to_owned();
                view.gaps.push(Gap { what, loses, trouble });
            }
            Err(trouble) => return Err(trouble),
        }
        if let Some((secret, gaps)) = self.secret(client, pace).await {
            view.secret = Some(secret);
            view.gaps.extend(gaps);
        }
        Ok((view, pods))
    }

    /// The secret's metadata and its ExternalSecret, looked at less often than the pods: both change by the hour.
    async fn secret(&mut self, client: &Kubernetes, pace: Pace) -> Option<(SecretView, Vec<Gap>)> {
        let name = self.spec.external_secret.clone()?;
        // Until it is there, every pod that starts may start without it.
        let awaited = |view: &SecretView, gaps: &[Gap]| gaps.is_empty() && !matches!(view.made, Glimpse::There(_));
        if let Some((next, view, gaps)) = &self.secret
            && Instant::now() < *next
            && !awaited(view, gaps)
        {
            return Some((view.clone(), gaps.clone()));
        }
        let (made, external) = tokio::join!(client.secret_created(&name), client.external_secret(&name));
        let mut gaps = Vec::new();
        let made =
            glimpse(made, &format!("metadata of secret {name}"), "which pods are older than it is not seen", &mut gaps);
        let external =
            glimpse(external, &format!("ExternalSecret {name}"), "whether it is synced is not seen", &mut gaps);
        let view = SecretView { name, made, external: map(external), at: clock::now() };
        let refused = gaps.iter().any(|gap| gap.trouble.kind == TroubleKind::Denied);
        let wait = if refused { REFUSED_FOR } else { pace.heavy() };
        self.secret = Some((Instant::now() + wait, view.clone(), gaps.clone()));
        Some((view, gaps))
    }

    fn pod(&self, pod: &kubernetes::PodView) -> PodView {
        let application = pod.container(&self.spec.container);
        let initialising = pod.initialising();
        // Whoever does not get through is whose end matters.
        let last = initialising.map_or(application, |(_, container)| Some(container));
        let secret = self.spec.external_secret.as_deref();
        PodView {
            name: pod.name.clone(),
            status: pod.status(),
            ready: pod.ready,
            restarts: u32::try_from(initialising.map_or_else(|| pod.restarts(), |(_, one)| one.restarts))
                .unwrap_or_default(),
            last: last.and_then(ContainerView::last_run).map(ended),
            created: pod.created,
            started: application.and_then(ContainerView::started),
            init: initialising.map(|(place, container)| InitView {
                name: container.name.clone(),
                place: place + 1,
                of: pod.init.len(),
                waits: match &container.state {
                    ContainerState::Waiting { reason } if !reason.is_empty() => Some(reason.clone()),
                    ContainerState::Waiting { .. } => Some("a node".to_owned()),
                    ContainerState::Running { .. } | ContainerState::Ended { .. } => None,
                },
            }),
            image: application.map(|container| container.image.clone()).unwrap_or_default(),
            takes_secret: application.zip(secret).is_some_and(|(container, secret)| container.takes(secret)),
        }
    }
}

/// How long a look may take: what is asked of a server that went dark must not hide that for long.
fn patience(pace: Pace) -> Duration {
    match pace {
        Pace::Quiet => Duration::from_secs(10),
        Pace::Busy | Pace::Failover => Duration::from_secs(5),
    }
}

fn fill(view: &mut PodsView, deployment: &DeploymentView, container: &str) {
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let own = deployment.containers.iter().find(|(name, _)| name == container);
    view.image = own.or(deployment.containers.first()).map(|(_, image)| image.clone());
    view.revision.clone_from(&deployment.revision);
    view.wanted = number(deployment.wanted);
    view.ready = number(deployment.ready);
    view.updated = number(deployment.updated);
    view.progress.clone_from(&deployment.progress);
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn ended(run: RunView) -> EndedRun {
    EndedRun { code: run.code, reason: run.reason, finished: run.finished }
}

/// What came of looking for something; what could not be looked at is a gap.
fn glimpse<T>(found: Result<Option<T>, Trouble>, what: &str, loses: &str, gaps: &mut Vec<Gap>) -> Glimpse<T> {
    match found {
        Ok(Some(found)) => Glimpse::There(found),
        Ok(None) => Glimpse::Missing,
        Err(trouble) => {
            gaps.push(Gap { what: what.to_owned(), loses: loses.to_owned(), trouble });
            Glimpse::Unseen
        }
    }
}

fn map(found: Glimpse<kubernetes::ExternalSecretView>) -> Glimpse<ExternalView> {
    match found {
        Glimpse::There(kubernetes::ExternalSecretView { ready, reason, message, refreshed }) => {
            Glimpse::There(ExternalView { ready, reason, message, refreshed })
        }
        Glimpse::Missing => Glimpse::Missing,
        Glimpse::Unseen => Glimpse::Unseen,
    }
}
