//! Who we are to AWS.

use super::aws::{Configs, trouble};
use super::{Trouble, TroubleKind};

const IDENTITY: &str = "sts:GetCallerIdentity";

/// The security token service, through one profile.
#[derive(Debug, Clone)]
pub struct Identity {
    reading: aws_sdk_sts::Client,
}

/// Who STS says we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// ARN of the user or role session.
    pub arn: String,
}

impl Identity {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: aws_sdk_sts::Client::new(&configs.reading) }
    }

    /// Who we are. [`TroubleKind::SignedOut`] where the session has ended.
    pub async fn caller(&self) -> Result<Caller, Trouble> {
        let answer = self.reading.get_caller_identity().send().await.map_err(|error| trouble(IDENTITY, error))?;
        match (answer.account, answer.arn) {
            (Some(account), Some(arn)) => Ok(Caller { account, arn }),
            _ => Err(Trouble::new(IDENTITY, TroubleKind::Malformed, "the answer names no account")),
        }
    }
}
