//! Who is signed in: to AWS, one session for each account, and to 1Password.

use jiff::{SignedDuration, Timestamp};

use super::{World, now};
use crate::runbook::situation::Situation;

/// How long a session of AWS SSO lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(8);

/// What becomes of a sign-in that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// It is approved at the browser or in the app.
    Approved,
    /// Nobody approves it: the prompt does not surface.
    Unanswered,
}

/// Credentials of an AWS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key.
    pub access_key: String,
    /// Until when they hold.
    pub until: Timestamp,
}

impl World {
    /// The partition whose turn it is: the first of which the last step that changes something has not begun. Looks that
    /// name no partition are its own.
    pub fn in_hand(&self) -> Option<String> {
        let is_open = |name: &str| {
            let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == name);
            let kinds = planned.into_iter().flat_map(|planned| planned.steps.iter().rev().map(|step| step.kind.name()));
            let last = kinds.into_iter().find(|kind| LAST_SEEN.contains(kind));
            last.is_none_or(|last| !self.begun.iter().any(|(partition, begun)| partition == name && *begun == last))
        };
        self.partitions.iter().map(|partition| &partition.name).find(|name| is_open(name)).cloned()
    }

    /// As [`World::strikes`], in the partition whose turn it is; which time it was, from 1.
    pub fn strikes_in_hand(&mut self, situation: Situation) -> Option<u32> {
        let partition = self.in_hand()?;
        self.strikes(situation, &partition).then(|| self.struck(situation, &partition))
    }

    /// The AWS session of a partition's account ends: its keys are refused from now on.
    pub(super) fn end_aws_session(&mut self, partition: &str) {
        let Some(infrastructure) = self.partition(partition).map(|partition| partition.infrastructure.clone()) else {
            return;
        };
        if let Some(account) = self.account(&infrastructure) {
            account.signed_in = false;
        }
    }

    /// Somebody signs in to AWS with a profile; none where no account has it. By the operator's own hand it is approved
    /// in any case.
    pub fn sign_in_aws(&mut self, profile: &str, by_hand: bool) -> Option<SignIn> {
        let index = self.accounts.iter().position(|account| account.has_profile(profile))?;
        let infrastructure = self.accounts[index].infrastructure.clone();
        let of_account = self.partitions.iter().filter(|partition| partition.infrastructure == infrastructure);
        let names: Vec<String> = of_account.map(|partition| partition.name.clone()).collect();
        for situation in [Situation::SsoExpired, Situation::SsoExpiresMidway] {
            for name in &names {
                if !by_hand && self.stays_unanswered(situation, name) {
                    return Some(SignIn::Unanswered);
                }
            }
            names.iter().for_each(|name| self.remedied(situation, name));
        }
        let account = &mut self.accounts[index];
        if !account.signed_in {
            account.signed_in = true;
            account.sessions += 1;
            account.session_began = now();
            let renewed = format!("ASIASITE{}{:04}", account.id, account.sessions);
            let former = std::mem::replace(&mut account.access_key, renewed);
            account.former_keys.push(former);
        }
        Some(SignIn::Approved)
    }

    /// The credentials of a profile's session; an error where it has ended, none where there is no such profile.
    pub fn aws_credentials(&self, profile: &str) -> Option<Result<Credentials, ()>> {
        let account = self.accounts.iter().find(|account| account.has_profile(profile))?;
        let until = account.session_began + SESSION;
        Some(if account.signed_in {
            Ok(Credentials { access_key: account.access_key.clone(), until })
        } else {
            Err(())
        })
    }

    /// Whether the profile of that infrastructure leads to another account, now that one of its partitions has its turn.
    pub fn is_led_astray(&self, infrastructure: &str) -> bool {
        let Some(name) = self.in_hand().filter(|name| self.holds(Situation::WrongAccount, name)) else { return false };
        self.partitions.iter().any(|partition| partition.name == name && partition.infrastructure == infrastructure)
    }

    /// Whether 1Password is signed in.
    pub fn is_signed_in_to_op(&self) -> bool {
        let ended = self.in_hand().is_some_and(|partition| self.holds(Situation::OpSignedOut, &partition));
        self.op_signed_in && !ended
    }

    /// Somebody signs in to 1Password.
    pub fn sign_in_op(&mut self, by_hand: bool) -> SignIn {
        if let Some(partition) = self.in_hand() {
            if !by_hand && self.stays_unanswered(Situation::OpSignedOut, &partition) {
                return SignIn::Unanswered;
            }
            self.remedied(Situation::OpSignedOut, &partition);
        }
        self.op_signed_in = true;
        SignIn::Approved
    }

    /// Whether a sign-in goes unanswered once more: a session that is staged to strike several times takes as many.
    fn stays_unanswered(&mut self, situation: Situation, partition: &str) -> bool {
        self.is_counted(situation, partition) && self.strikes(situation, partition) && self.holds(situation, partition)
    }
}

/// The kinds of steps whose begin the site sees.
const LAST_SEEN: [&str; 7] =
    ["snapshot", "command", "restart-reader", "failover", "flush-demoted", "deploy", "delete-snapshot"];
