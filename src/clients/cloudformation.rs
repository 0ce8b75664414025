//! CloudFormation stacks: their status, what happened to them, and what failed first.

use aws_sdk_cloudformation::operation::RequestId;
use aws_sdk_cloudformation::types::{Stack, StackEvent};
use jiff::Timestamp;

use super::aws::{Configs, call, client, moment, trouble};
use super::{Controls, Trouble, TroubleKind, met};
use crate::runbook::event::Call;
use crate::runbook::plan::AwsTarget;

const STACKS: &str = "cloudformation:DescribeStacks";
const EVENTS: &str = "cloudformation:DescribeStackEvents";
const CONTINUE: &str = "cloudformation:ContinueUpdateRollback";

/// CloudFormation in one account and region.
#[derive(Debug, Clone)]
pub struct CloudFormation {
    reading: aws_sdk_cloudformation::Client,
    changing: aws_sdk_cloudformation::Client,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackView {
    /// Name.
    pub name: String,
    /// `UPDATE_COMPLETE` and the like.
    pub status: String,
    /// Why, where CloudFormation says so.
    pub reason: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last updated.
    pub updated: Option<Timestamp>,
}

impl StackView {
    /// When its last operation began: its update, or else its creation.
    pub fn last_touched(&self) -> Option<Timestamp> {
        self.updated.max(self.created)
    }

    /// Whether its last creation or update ended as it should.
    pub fn is_complete(&self) -> bool {
        matches!(self.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE")
    }

    /// Whether something is being done to it.
    pub fn is_in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }
}

/// An event of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEventView {
    /// When.
    pub at: Timestamp,
    /// Logical name of the resource; the stack's own name for the stack itself.
    pub resource: String,
    /// Type, such as `AWS::RDS::DBCluster`.
    pub resource_type: String,
    /// `UPDATE_FAILED` and the like.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// The token of the request that it comes of; none where CloudFormation names none.
    pub token: Option<String>,
}

impl StackEventView {
    /// Whether it tells of a failure of its own. What was cancelled because something else failed is none.
    pub fn is_failure(&self) -> bool {
        let cancelled = self.reason.as_deref().is_some_and(|reason| reason.to_lowercase().contains("cancelled"));
        self.status.ends_with("_FAILED") && !cancelled
    }
}

/// The first event that tells of a failure, of events oldest first: the cause, where the later ones are consequences.
pub fn first_failure(events: &[StackEventView]) -> Option<&StackEventView> {
    events.iter().find(|event| event.is_failure())
}

impl CloudFormation {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self {
            reading: client!(aws_sdk_cloudformation, &configs.reading),
            changing: client!(aws_sdk_cloudformation, &configs.changing),
        }
    }

    /// A stack; none where there is none of that name.
    pub async fn stack(&self, name: &str) -> Result<Option<StackView>, Trouble> {
        let answer = self.reading.describe_stacks().stack_name(name).send().await;
        match answer.map_err(|error| trouble(STACKS, error)) {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next().map(view_stack)),
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Every stack of the account and region, in as few calls as its pages need.
    pub async fn stacks(&self) -> Result<Vec<StackView>, Trouble> {
        let mut pages = self.reading.describe_stacks().into_paginator().items().send();
        let mut stacks = Vec::new();
        while let Some(stack) = pages.next().await {
            stacks.push(view_stack(stack.map_err(|error| trouble(STACKS, error))?));
        }
        Ok(stacks)
    }

    /// The events of a stack since then, oldest first.
    pub async fn events(&self, stack: &str, since: Timestamp) -> Result<Vec<StackEventView>, Trouble> {
        let mut events = Vec::new();
        let mut next = None;
        loop {
            let request = self.reading.describe_stack_events().stack_name(stack).set_next_token(next);
            let page = request.send().await.map_err(|error| trouble(EVENTS, error))?;
            let found = page.stack_events.unwrap_or_default();
            let page_length = found.len();
            // CloudFormation answers the newest first, so the first page that reaches back far enough is the last.
            let fresh: Vec<_> = found.into_iter().filter_map(view_event).filter(|event| event.at >= since).collect();
            let reached_back = fresh.len() < page_length;
            events.extend(fresh);
            next = page.next_token;
            if reached_back || next.is_none() {
                events.reverse();
                return Ok(events);
            }
        }
    }

    /// Takes a failed rollback up again. Answers CloudFormation's request id. By the token CloudFormation knows a request that
    /// it has had before, and every event that comes of the request bears it.
    pub async fn continue_rollback(
        &self,
        _controls: &Controls,
        stack: &str,
        token: Option<String>,
    ) -> Result<Option<String>, Trouble> {
        let request = self.changing.continue_update_rollback().stack_name(stack).set_client_request_token(token);
        let answer = request.send().await;
        answer.map(|answer| answer.request_id().map(str::to_owned)).map_err(|error| trouble(CONTINUE, error))
    }
}

/// The call of [`CloudFormation::continue_rollback`] and the command line that would do the same.
pub fn continue_rollback_call(target: &AwsTarget, stack: &str, token: Option<&str>) -> Call {
    let mut arguments = vec!["--stack-name", stack];
    arguments.extend(token.into_iter().flat_map(|token| ["--client-request-token", token]));
    call(target, CONTINUE, "continue-update-rollback", &arguments)
}

/// A token of these parts, as CloudFormation takes one: letters, digits and dashes, 128 at most. The same parts make the same
/// token.
pub fn request_token(parts: &[&str]) -> String {
    const MOST: usize = 128;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let token: String = parts.join("-").chars().map(plain).collect();
    token.trim_start_matches('-').chars().take(MOST).collect()
}

fn view_stack(stack: Stack) -> StackView {
    StackView {
        created: moment(stack.creation_time()),
        updated: moment(stack.last_updated_time()),
        status: stack.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: stack.stack_status_reason.map(reason),
        name: stack.stack_name.unwrap_or_default(),
    }
}

fn view_event(event: StackEvent) -> Option<StackEventView> {
    Some(StackEventView {
        at: moment(event.timestamp())?,
        resource: event.logical_resource_id.unwrap_or_default(),
        resource_type: event.resource_type.unwrap_or_default(),
        status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason.map(reason),
        token: event.client_request_token,
    })
}

fn reason(text: String) -> String {
    met::wash_line("cloudformation:DescribeStackEvents", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(status: &str, reason: Option<&str>) -> StackEventView {
        StackEventView {
            at: Timestamp::UNIX_EPOCH,
            resource: "Cluster".to_owned(),
            resource_type: "AWS::RDS::DBCluster".to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            token: None,
        }
    }

    #[test]
    fn a_token_is_one_that_cloudformation_takes() {
        assert_eq!(request_token(&["aurora-cockpit", "run.1", "dev", "2"]), "aurora-cockpit-run-1-dev-2");
        assert_eq!(request_token(&[".a", &"b".repeat(200)]).len(), 128);
        assert_eq!(request_token(&[".a"]), "a");
    }

    #[test]
    fn the_first_failure_is_the_cause_and_not_its_consequences() {
        let events = [
            event("UPDATE_IN_PROGRESS", None),
            event("UPDATE_FAILED", Some("Resource update cancelled")),
            event("UPDATE_FAILED", Some("retention must be at least 465 days")),
            event("UPDATE_ROLLBACK_FAILED", Some("The following resource(s) failed")),
        ];
        assert_eq!(first_failure(&events), Some(&events[2]));
        assert_eq!(first_failure(&events[..2]), None);
    }
}
