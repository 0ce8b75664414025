//! CloudFormation: stacks, their events, and going on with a rollback.

use super::params::Params;
use super::xml::Xml;
use super::{Answer, Caller, Site};
use crate::sim::world::cloud::{Account, Stack};
use crate::sim::world::refusal::Refusal;
use crate::sim::world::story_rollback::no_stack;

/// Events on a page.
const PAGE: usize = 100;

/// Answers an action; none where CloudFormation has no such action here.
pub(super) fn answer(site: &Site, caller: &Caller, action: &str, params: &Params) -> Answer {
    Some(match action {
        "DescribeStacks" => describe_stacks(site, caller, params),
        "ListStacks" => list_stacks(site, caller, params),
        "DescribeStackEvents" => describe_events(site, caller, params),
        "ContinueUpdateRollback" => continue_rollback(site, caller, params),
        _ => return None,
    })
}

/// Looks at the caller's account.
fn with_account<R>(site: &Site, caller: &Caller, look: impl FnOnce(&Account) -> R) -> Result<R, Refusal> {
    site.read(|world| {
        let account = world.accounts.iter().find(|account| account.infrastructure == caller.infrastructure);
        account.map(look).ok_or_else(|| Refusal::new("AccessDenied", "The account is not there."))
    })
}

/// The name in a stack's ARN, or the name itself.
fn stack_name(name_or_arn: &str) -> &str {
    if name_or_arn.starts_with("arn:") { name_or_arn.split('/').nth(1).unwrap_or(name_or_arn) } else { name_or_arn }
}

fn describe_stacks(site: &Site, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let wanted = params.get("StackName").map(stack_name);
    let stacks = with_account(site, caller, |account| -> Vec<Stack> {
        let matches = |stack: &&Stack| wanted.is_none_or(|name| stack.name == name);
        account.stacks.iter().filter(matches).cloned().collect()
    })?;
    if let (Some(name), true) = (wanted, stacks.is_empty()) {
        return Err(no_stack(name));
    }
    let mut xml = Xml::default();
    xml.list("Stacks", "member", &stacks, |xml, stack| {
        put_stack(xml, caller, stack);
        xml.put("DisableRollback", false).put("EnableTerminationProtection", false);
    });
    Ok(xml)
}

fn list_stacks(site: &Site, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let statuses = params.list("StackStatusFilter.member");
    let mut xml = Xml::default();
    with_account(site, caller, |account| {
        let matches = |stack: &&Stack| statuses.is_empty() || statuses.contains(&stack.status);
        xml.list("StackSummaries", "member", account.stacks.iter().filter(matches), |xml, stack| {
            put_stack(xml, caller, stack);
        });
    })?;
    Ok(xml)
}

fn put_stack(xml: &mut Xml, caller: &Caller, stack: &Stack) {
    xml.put("StackId", arn(caller, &stack.name)).put("StackName", &stack.name);
    xml.put_time("CreationTime", stack.created);
    if let Some(updated) = stack.updated {
        xml.put_time("LastUpdatedTime", updated);
    }
    xml.put("StackStatus", &stack.status).put_some("StackStatusReason", stack.reason.as_ref());
    xml.within("DriftInformation", |xml| {
        xml.put("StackDriftStatus", "NOT_CHECKED");
    });
}

fn describe_events(site: &Site, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let name = stack_name(params.need("StackName")?);
    let found = with_account(site, caller, |account| account.stack(name).cloned())?;
    let missing = || Refusal::new("ValidationError", format!("Stack [{name}] does not exist"));
    let stack = found.ok_or_else(missing)?;
    let from: usize = params.number("NextToken")?.unwrap_or(0);
    let total = stack.events.len();
    let mut xml = Xml::default();
    let newest_first = stack.events.iter().enumerate().rev().skip(from).take(PAGE);
    xml.list("StackEvents", "member", newest_first, |xml, (number, event)| {
        let stack_id = arn(caller, &stack.name);
        let physical = if event.resource == stack.name { stack_id.clone() } else { event.resource.to_lowercase() };
        xml.put("StackId", stack_id).put("EventId", format!("{}-{number}", event.resource));
        xml.put("StackName", &stack.name).put("LogicalResourceId", &event.resource);
        xml.put("PhysicalResourceId", physical).put("ResourceType", &event.resource_type);
        xml.put_time("Timestamp", event.at).put("ResourceStatus", &event.status);
        xml.put_some("ResourceStatusReason", event.reason.as_ref());
        xml.put_some("ClientRequestToken", event.token.as_ref());
    });
    if from + PAGE < total {
        xml.put("NextToken", from + PAGE);
    }
    Ok(xml)
}

fn continue_rollback(site: &Site, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let name = stack_name(params.need("StackName")?);
    let token = params.get("ClientRequestToken");
    site.change(|world| world.continue_rollback(&caller.infrastructure, name, token, site.speed))?;
    Ok(Xml::default())
}

fn arn(caller: &Caller, stack: &str) -> String {
    // The last part is a random id with the real service; here the name's own sum, so that it stays the same.
    let sum = stack.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
    let id = format!("{:08x}-0000-11f0-{:04x}-0e{:010x}", sum >> 32, sum & 0xffff, sum & 0xff_ffff_ffff);
    format!("arn:aws:cloudformation:{}:{}:stack/{stack}/{id}", caller.region, caller.account)
}
