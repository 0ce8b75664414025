//! What the deploying script should have left behind: stacks, the secret, the cluster's group. It is looked at after a
//! failure as well: what is in place is listed, not assumed.

use jiff::Timestamp;

use super::act::Act;
use super::cluster::DESCRIBE;
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::cloudformation::StackView;
use crate::clients::rds::ClusterView;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Precondition, Verdict};
use crate::runbook::plan::{CommandSpec, SecretShape, StepKind, ValueShape};
use crate::runbook::shape;

/// The source named where a stack's state is evidence.
pub const STACKS: &str = "cloudformation:DescribeStacks";
/// The source named where the secret is evidence.
pub const SECRET: &str = "secretsmanager:GetSecretValue";

/// All of it, as it is once the script has ended.
#[derive(Debug)]
pub struct Artefacts {
    /// The stacks, in the rollout file's order.
    pub stacks: Vec<Artefact>,
    /// How the secret's value looks, where there is to be one.
    pub secret: Option<SecretValue>,
    /// The cluster.
    pub cluster: ClusterView,
    /// Whether the cluster is on another group than before, where it is to be.
    pub attached: Option<bool>,
}

/// A stack after the script.
#[derive(Debug)]
pub struct Artefact {
    /// Its name.
    pub name: String,
    /// The stack; none where there is none of that name.
    pub view: Option<StackView>,
    /// Whether its last operation began in this attempt.
    pub touched: bool,
    /// Whether the script said in this attempt that there was nothing to change.
    pub unchanged: bool,
}

/// How a secret's value looks. The value itself goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretValue {
    /// It has its shape.
    Good,
    /// It is empty.
    Empty,
    /// It is something, but not what it should be.
    Malformed,
    /// There is no such secret.
    Absent,
}

impl Artefact {
    /// Its status; empty where it does not exist.
    pub fn status(&self) -> &str {
        self.view.as_ref().map_or("", |view| view.status.as_str())
    }

    /// Whether it completed in this attempt, or was found to need no change.
    pub fn holds(&self) -> bool {
        self.is_complete() && (self.touched || self.unchanged)
    }

    /// Whether this attempt passed it over: it is as some former deploy left it.
    pub fn is_left_out(&self) -> bool {
        self.is_complete() && !self.holds()
    }

    /// Whether this attempt broke it.
    pub fn is_broken(&self) -> bool {
        self.touched && (self.status().contains("ROLLBACK") || self.status().ends_with("_FAILED"))
    }

    fn is_complete(&self) -> bool {
        self.view.as_ref().is_some_and(StackView::is_complete)
    }
}

impl Artefacts {
    /// Whether everything is as it should be but for the secret's value.
    pub fn are_in_place(&self) -> bool {
        self.stacks.iter().all(Artefact::holds)
            && self.attached != Some(false)
            && self.secret != Some(SecretValue::Absent)
    }

    /// Whether this attempt changed any stack.
    pub fn were_touched(&self) -> bool {
        self.stacks.iter().any(|stack| stack.touched)
    }
}

impl SecretValue {
    fn words(self) -> &'static str {
        match self {
            Self::Good => "has its shape",
            Self::Empty => "empty",
            Self::Malformed => "does not look like what it should be",
            Self::Absent => "does not exist",
        }
    }
}

/// The checks as they stand before anything was looked at.
pub fn expected(spec: &CommandSpec) -> Vec<Check> {
    let mut checks: Vec<Check> = spec.stacks.iter().map(|stack| stack_check(stack, Verdict::Pending)).collect();
    checks.extend(spec.secret.as_ref().map(|secret| secret_check(secret, Verdict::Pending)));
    if spec.group_attached {
        checks.push(group_check(Verdict::Pending));
    }
    checks
}

pub fn stack_check(stack: &str, verdict: Verdict) -> Check {
    Check::new(format!("stack {stack}"), format!("stack {stack}"), STACKS, verdict).expecting("*_COMPLETE")
}

fn secret_check(secret: &SecretShape, verdict: Verdict) -> Check {
    let label = format!("secret {} has its shape", secret.id);
    Check::new("secret", label, SECRET, verdict).expecting(match secret.shape {
        ValueShape::SentryDsn => "a Sentry DSN",
        ValueShape::NotEmpty => "not empty",
    })
}

fn group_check(verdict: Verdict) -> Check {
    Check::new("group", "new parameter group attached", DESCRIBE, verdict)
}

/// Looks at everything and writes down how it stands; `said` is what the script printed, `well` whether it exited 0.
///
/// # Errors
/// If it cannot be looked at or written down, or the session ends.
pub async fn look(act: &mut Act, spec: &CommandSpec, said: &[String], well: bool) -> Result<Artefacts, Stop> {
    let here = act.look.clone();
    let all = settled(act, || here.tools.aws.cloudformation.stacks()).await?;
    let mut stacks = Vec::new();
    for name in &spec.stacks {
        let view = all.iter().find(|stack| stack.name == *name).cloned();
        let touched = view.as_ref().is_some_and(|view| touched_since(view, act.attempt.started_at));
        let unchanged = !touched && said.iter().any(|line| says_unchanged(line, name));
        let stack = Artefact { name: name.clone(), view, touched, unchanged };
        let check = judged(act, &stack, well);
        act.check(check).await?;
        stacks.push(stack);
    }
    let mut secret = None;
    if let Some(spec) = &spec.secret {
        let value = settled(act, || value_of(&here, spec)).await?;
        let verdict = match value {
            SecretValue::Good => Verdict::Passed,
            // The database's side goes on without it.
            SecretValue::Empty | SecretValue::Malformed if well => Verdict::Warning,
            _ => Verdict::Failed,
        };
        act.check(secret_check(spec, verdict).seeing(value.words())).await?;
        secret = Some(value);
    }
    let cluster = settled(act, || here.cluster()).await?;
    let attached = spec.group_attached.then(|| is_attached(act, &cluster));
    if let Some(attached) = attached {
        let verdict = if attached { Verdict::Passed } else { Verdict::Failed };
        act.check(group_check(verdict).seeing(&cluster.parameter_group)).await?;
    }
    Ok(Artefacts { stacks, secret, cluster, attached })
}

fn judged(look: &Look, stack: &Artefact, well: bool) -> Check {
    let verdict = match () {
        () if stack.holds() => Verdict::Passed,
        // A script that failed did not come to it; that alone is no failure of the stack's.
        () if stack.is_left_out() && !well => Verdict::Warning,
        () => Verdict::Failed,
    };
    let words = match &stack.view {
        None => "does not exist".to_owned(),
        Some(view) if stack.touched => format!("{}{}", view.status, at(look, view.last_touched())),
        Some(view) if stack.unchanged => format!("{}, unchanged", view.status),
        Some(view) => format!("{}, not redeployed in this attempt", view.status),
    };
    stack_check(&stack.name, verdict).seeing(words)
}

/// Whether a stack's last operation began since then.
pub fn touched_since(stack: &StackView, since: Timestamp) -> bool {
    stack.last_touched().is_some_and(|at| at >= since)
}

/// CDK's word for a stack that needed no change, such as ` ✅  Alpha002-dev-Ingress (no changes)`.
fn says_unchanged(line: &str, stack: &str) -> bool {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    line.contains("no changes") && line.split(|letter| !of_name(letter)).any(|word| word == stack)
}

fn is_attached(look: &Look, cluster: &ClusterView) -> bool {
    let before = look.partition.cluster.group_before.as_deref().unwrap_or("default.");
    !cluster.parameter_group.starts_with("default.") && cluster.parameter_group != before
}

fn at(look: &Look, at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!(", {}", at.to_zoned(look.zone()).strftime("%H:%M:%S")))
}

async fn value_of(look: &Look, secret: &SecretShape) -> Result<SecretValue, Trouble> {
    use secrecy::ExposeSecret as _;
    match look.tools.aws.secrets.value(&secret.id).await {
        Ok(value) if value.expose_secret().trim().is_empty() => Ok(SecretValue::Empty),
        Ok(value) if shape::judge(secret.shape, value.expose_secret()).0 => Ok(SecretValue::Good),
        Ok(_) => Ok(SecretValue::Malformed),
        Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(SecretValue::Absent),
        Err(trouble) => Err(trouble),
    }
}

/// What a step that needs the script's secret asks first: that the secret holds what it should. None where the rollout's
/// script brings no secret.
///
/// # Errors
/// As the call.
pub async fn secret_holds(look: &Look) -> Result<Option<Precondition>, Trouble> {
    let secret = look.partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Command(spec) => spec.secret.as_ref(),
        _ => None,
    });
    let Some(secret) = secret else { return Ok(None) };
    let value = value_of(look, secret).await?;
    let words = format!("secret {} {}", secret.id, value.words());
    let words = match value {
        SecretValue::Good => words,
        _ => format!("{words}: restore the 1Password entry and run the script again"),
    };
    Ok(Some(Precondition::require(value == SecretValue::Good, words)))
}

/// A look that goes on through passing trouble.
///
/// # Errors
/// If the trouble does not pass, or the session ends.
pub async fn settled<T, F: Future<Output = Result<T, Trouble>>>(
    act: &mut Act,
    look: impl Fn() -> F,
) -> Result<T, Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = look().await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            return Ok(seen);
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "what the script left behind", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::says_unchanged;

    #[test]
    fn only_the_stack_that_is_named_counts_as_unchanged() {
        let line = " ✅  Alpha002-dev-Ingress (no changes)";
        assert!(says_unchanged(line, "Alpha002-dev-Ingress"));
        assert!(!says_unchanged(line, "Alpha002-dev"));
        assert!(!says_unchanged(line, "dev-Ingress"));
        assert!(!says_unchanged(" ✅  Alpha002-dev-Ingress", "Alpha002-dev-Ingress"));
    }
}
