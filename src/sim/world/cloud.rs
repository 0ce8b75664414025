//! What an AWS account holds beside its clusters: CloudFormation stacks and secrets.

use jiff::{SignedDuration, Timestamp};

/// The secret of every access key at the site: those of a rehearsal need none of their own.
pub const SECRET_KEY: &str = "simulated";

/// The account of one infrastructure.
#[derive(Debug)]
pub struct Account {
    /// Infrastructure name, such as `Alpha001`.
    pub infrastructure: String,
    /// Twelve digits.
    pub id: String,
    /// Access key id of the session, by which the endpoint tells whose call it is.
    pub access_key: String,
    /// Access key ids of sessions that have ended.
    pub former_keys: Vec<String>,
    /// How many sessions there were before this one.
    pub sessions: u32,
    /// When the session began.
    pub session_began: Timestamp,
    /// Region of its partitions.
    pub region: String,
    /// AWS profiles that lead here.
    pub profiles: Vec<String>,
    /// Whether the SSO session is alive.
    pub signed_in: bool,
    /// Stacks by name.
    pub stacks: Vec<Stack>,
    /// Secrets by name.
    pub secrets: Vec<Secret>,
}

impl Account {
    /// Whether a profile leads here; an account without any is the default one's.
    pub fn has_profile(&self, profile: &str) -> bool {
        self.profiles.iter().any(|own| own == profile) || (self.profiles.is_empty() && profile == "default")
    }

    /// The stack of that name.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.name == name)
    }

    /// A stack turns to a status; it is made where it is not there.
    pub fn stack_turns(&mut self, name: &str, status: &str, reason: Option<&str>) {
        if self.stack(name).is_none() {
            self.stacks.push(Stack {
                name: name.to_owned(),
                status: String::new(),
                reason: None,
                created: super::now(),
                updated: None,
                events: Vec::new(),
                token: None,
            });
        }
        if let Some(stack) = self.stacks.iter_mut().find(|stack| stack.name == name) {
            status.clone_into(&mut stack.status);
            stack.reason = reason.map(str::to_owned);
            if status == "UPDATE_IN_PROGRESS" {
                stack.updated = Some(super::now());
                stack.token = None;
            }
            stack.push_event(name, "AWS::CloudFormation::Stack", status, reason);
        }
    }

    /// A resource of a stack turns to a status.
    pub fn resource_turns(&mut self, stack: &str, logical: &str, kind: &str, status: &str, reason: Option<&str>) {
        if let Some(stack) = self.stacks.iter_mut().find(|found| found.name == stack) {
            stack.push_event(logical, kind, status, reason);
        }
    }

    /// The secret of that name.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.name == name)
    }
}

/// A CloudFormation stack.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Name.
    pub name: String,
    /// `CREATE_COMPLETE` and the like.
    pub status: String,
    /// Why, where a status has a reason.
    pub reason: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last updated.
    pub updated: Option<Timestamp>,
    /// Its events, oldest first.
    pub events: Vec<StackEvent>,
    /// The token of the request that it is at, or was at last.
    pub token: Option<String>,
}

impl Stack {
    /// A stack that was made long ago and updated since.
    pub fn complete(name: String) -> Self {
        let now = super::now();
        Self {
            name,
            status: "UPDATE_COMPLETE".to_owned(),
            reason: None,
            created: now - SignedDuration::from_hours(24 * 240),
            updated: Some(now - SignedDuration::from_hours(24 * 21)),
            events: Vec::new(),
            token: None,
        }
    }

    /// Whether it was made or updated since the site began.
    pub fn is_of_today(&self) -> bool {
        let touched = self.updated.max(Some(self.created));
        touched.is_some_and(|touched| super::now().duration_since(touched) < SignedDuration::from_hours(24))
    }

    /// Adds an event of the stack itself with these words; its status stays.
    pub fn say(&mut self, reason: &str) {
        let (name, status) = (self.name.clone(), self.status.clone());
        self.push_event(&name, "AWS::CloudFormation::Stack", &status, Some(reason));
    }

    fn push_event(&mut self, resource: &str, kind: &str, status: &str, reason: Option<&str>) {
        self.events.push(StackEvent {
            resource: resource.to_owned(),
            resource_type: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            at: super::now(),
            token: self.token.clone(),
        });
    }
}

/// An event of a stack.
#[derive(Debug, Clone)]
pub struct StackEvent {
    /// Logical resource.
    pub resource: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Its status.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The token of the request that it comes of.
    pub token: Option<String>,
}

/// A Secrets Manager secret.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// When it was made.
    pub created: Timestamp,
}
