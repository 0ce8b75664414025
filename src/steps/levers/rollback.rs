//! CloudFormation goes on with a rollback that failed.

use jiff::{SignedDuration, Timestamp};

use super::super::act::{Act, Acted};
use super::super::artefacts::STACKS;
use super::super::cluster::{self, DESCRIBE, done, no_sign};
use super::super::command_findings::{EVENTS, failure_in_words, is_retention};
use super::super::context::{Look, Patience, Stop};
use super::super::diagnosis;
use crate::clients::Trouble;
use crate::clients::cloudformation::{StackEventView, StackView, continue_rollback_call, first_failure, request_token};
use crate::clients::rds::ClusterView;
use crate::clock;
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Action, Brief, Choice, Finding, Outcome};

const FAILED: &str = "UPDATE_ROLLBACK_FAILED";

/// Under these keys the intent says of which stack it is, and which token its request bears.
const STACK: &str = "stack";
const TOKEN: &str = "token";

/// How far back events are read: a token is a request's own, however the clocks stand.
const EVENTS_OF: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn brief(look: &Look, stacks: &[String]) -> Result<Brief, Trouble> {
    let (cluster, all) = tokio::try_join!(look.cluster(), look.tools.aws.cloudformation.stacks())?;
    let stuck: Vec<&StackView> = stuck(&all, stacks).collect();
    let Some(first) = stuck.first() else {
        let mut brief = look.brief("Continue a rollback");
        brief.preconditions = vec![Precondition::require(false, format!("no stack of the rollout is {FAILED}"))];
        return Ok(brief);
    };
    let mut brief = look.brief(format!("Continue the rollback of {}", first.name));
    let token = token(look, look.attempts().len() + 1);
    brief.calls.push(continue_rollback_call(&look.tools.aws.target, &first.name, Some(&token)));
    brief.preconditions = vec![
        Precondition::require(true, format!("{} is {FAILED}", first.name)),
        // What is not available cannot be taken back either: the rollback would fail once more.
        cluster::available(&cluster),
    ];
    brief.preconditions.extend(insights(look, &cluster));
    if stuck.len() > 1 {
        let choice = |stack: &&StackView| Choice { id: stack.name.clone(), label: format!("{} first", stack.name) };
        brief.choices = stuck.iter().map(choice).collect();
    }
    Ok(brief)
}

fn stuck<'a>(all: &'a [StackView], stacks: &'a [String]) -> impl Iterator<Item = &'a StackView> {
    all.iter().filter(move |stack| stack.status == FAILED && stacks.contains(&stack.name))
}

/// The mode that the template assumes: under another one the rollback would fail for the reason for which it failed.
fn insights(look: &Look, cluster: &ClusterView) -> Option<Precondition> {
    let wanted = look.partition.cluster.insights_mode.as_deref()?;
    let mode = cluster.insights_mode.as_deref().unwrap_or("unknown");
    let holds = if mode == wanted { Holds::Yes } else { Holds::No };
    Some(Precondition::now(format!("Database Insights {mode}, the template assumes {wanted}"), holds))
}

/// The token of the request of that attempt: the same wherever it is made, so that the request is known by it.
fn token(look: &Look, attempt: usize) -> String {
    let run = look.run_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    request_token(&["aurora-cockpit", &run, look.partition.name.as_str(), &attempt.to_string()])
}

/// A request to go on with a rollback, as its intent has it.
struct Request {
    stack: String,
    /// None in the intents of versions that sent none.
    token: Option<String>,
    since: Timestamp,
}

impl Request {
    /// Whether an event comes of it: by its token, which every event of an operation bears; without one by its time.
    fn brought(&self, event: &StackEventView) -> bool {
        match &self.token {
            Some(_) => event.token == self.token,
            // The other side's clock is not ours.
            None => event.at >= self.since - SignedDuration::from_secs(1),
        }
    }
}

pub(super) async fn run(act: &mut Act, stacks: &[String]) -> Result<Outcome, Stop> {
    // One of which it is not known what became of it is gone on with, whoever sent it.
    let intended = act.intended().map(|intended| (intended.action.before.clone(), intended.at));
    let before = intended.as_ref().map(|(before, _)| before);
    let stack = match before.and_then(|before| before.get(STACK)) {
        Some(stack) => stack.clone(),
        None => chosen(act, stacks).await?,
    };
    let token = match before {
        Some(before) => before.get(TOKEN).cloned(),
        None => Some(token(act, act.attempt.number as usize)),
    };
    let since = intended.as_ref().map_or_else(clock::now, |(_, at)| *at);
    let request = Request { stack, token, since };
    let Request { stack, token, .. } = &request;
    act.check(rolled_back(stack, Verdict::Pending)).await?;
    let aws = act.tools.aws.clone();
    let call = continue_rollback_call(&aws.target, stack, token.as_deref());
    let noted = [Some((STACK, stack.clone())), token.clone().map(|token| (TOKEN, token))];
    let before = noted.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect();
    let action = Action { key: format!("continue rollback of {stack}"), call, before };
    let look = || async {
        let events = aws.cloudformation.events(stack, since - EVENTS_OF).await?;
        match events.iter().find(|event| request.brought(event)) {
            Some(event) => done(format!("{} {} by this request", event.resource, event.status)),
            None => no_sign(format!("{stack} has no event of this request")),
        }
    };
    let fire = |controls: std::sync::Arc<crate::clients::Controls>| {
        let (aws, stack, token) = (aws.clone(), stack.clone(), token.clone());
        async move { aws.cloudformation.continue_rollback(&controls, &stack, token).await }
    };
    if let Acted::Refused(trouble) = act.act(action, look, fire).await? {
        return Err(diagnosis::of_trouble(act, &trouble).into());
    }
    act.verifying().await?;
    until_rolled_back(act, &request).await?;
    Ok(Outcome::Passed)
}

/// The stack in question: the chosen one, or the first that is stuck.
async fn chosen(act: &Act, stacks: &[String]) -> Result<String, Stop> {
    if let Some(stack) = act.attempt.choice.as_ref() {
        return Ok(stack.clone());
    }
    let all = act.tools.aws.cloudformation.stacks().await;
    let all = all.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let first = stuck(&all, stacks).next().map(|stack| stack.name.clone());
    first.ok_or_else(|| Finding::unknown(format!("no stack of the rollout is {FAILED} any more")).into())
}

fn rolled_back(stack: &str, verdict: Verdict) -> Check {
    Check::new("rolled-back", format!("rollback of {stack}"), STACKS, verdict).expecting("UPDATE_ROLLBACK_COMPLETE")
}

/// Waits until the rollback is complete. That it failed counts only by an event of this request: until CloudFormation moves,
/// the stack still reads as it did before.
async fn until_rolled_back(act: &mut Act, request: &Request) -> Result<(), Stop> {
    let stack = request.stack.as_str();
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = look(act, request).await;
        let seen = act.bear(&mut patience, seen).await?;
        if let Some((status, events)) = seen {
            if status == "UPDATE_ROLLBACK_COMPLETE" {
                return act.check(rolled_back(stack, Verdict::Passed).seeing(status)).await;
            }
            if events.iter().any(|event| event.resource == stack && event.status == FAILED) {
                act.check(rolled_back(stack, Verdict::Failed).seeing(&status)).await?;
                return Err(failed_again(act, stack, &events).await?);
            }
            act.check(rolled_back(stack, Verdict::Settling).seeing(status)).await?;
        }
        if patience.is_over() {
            let what = format!("the rollback of {stack}");
            return Err(diagnosis::time_over(act, &what, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// The stack's status, and what came of the request.
async fn look(look: &Look, request: &Request) -> Result<(String, Vec<StackEventView>), Trouble> {
    let client = &look.tools.aws.cloudformation;
    let since = request.since - EVENTS_OF;
    let (seen, mut events) = tokio::try_join!(client.stack(&request.stack), client.events(&request.stack, since))?;
    events.retain(|event| request.brought(event));
    Ok((seen.map(|seen| seen.status).unwrap_or_default(), events))
}

/// Why it failed again. Where the cluster was in the middle of something, that is waited out before it is offered again.
async fn failed_again(act: &mut Act, stack: &str, events: &[StackEventView]) -> Result<Stop, Stop> {
    let first = first_failure(events);
    let reason = first.and_then(|event| event.reason.clone()).unwrap_or_default();
    let carried = |finding: Finding| match first {
        Some(event) => finding.because(Evidence::now(EVENTS, failure_in_words(event))),
        None => finding.because(Evidence::now(STACKS, format!("{stack} is {FAILED}"))),
    };
    if reason.contains("isn't available for modification with status") {
        let status = reason.rsplit("with status ").next().unwrap_or_default().trim_end_matches('.');
        let finding = carried(Finding::of("continue-rollback-race", format!("the cluster was {status}")));
        let seen = until_available(act).await?;
        let finding = finding.because(Evidence::now(DESCRIBE, seen));
        let again = "pull the lever again: the cluster is available now";
        return Ok(finding.meaning("the rollback came too early; nothing else is wrong").way_out(again).again().into());
    }
    if is_retention(&reason) {
        let finding = carried(Finding::of("rollback-failed", format!("the rollback of {stack} failed again")));
        let first = "set Database Insights to standard, then continue the rollback";
        return Ok(finding.way_out(first).lever("insights-standard", None).again().into());
    }
    let finding = carried(Finding::unknown(format!("the rollback of {stack} failed again")));
    Ok(finding.way_out("mend what its events name, then pull the lever again").again().into())
}

/// Waits until the cluster is available; answers what was seen then.
async fn until_available(act: &mut Act) -> Result<String, Stop> {
    let free = |verdict| Check::new("free", "cluster available", DESCRIBE, verdict);
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.cluster().await;
        let seen = act.bear(&mut patience, seen).await?;
        if let Some(cluster) = seen {
            if cluster.status == "available" {
                act.check(free(Verdict::Passed).seeing("available")).await?;
                return Ok("cluster available".to_owned());
            }
            if let Some(finding) = cluster::terminal(act, &cluster) {
                return Err(finding.into());
            }
            act.check(free(Verdict::Settling).seeing(&cluster.status)).await?;
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "an available cluster", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}
