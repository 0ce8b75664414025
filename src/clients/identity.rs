//! Who we are to AWS.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use jiff::SignedDuration;
use jiff::fmt::rfc2822;

use super::aws::{Configs, client, trouble};
use super::{Trouble, TroubleKind};
use crate::clock;

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
        Self { reading: client!(aws_sdk_sts, &configs.reading) }
    }

    /// How far this machine's clock is ahead of AWS's, by the date in an answer.
    pub async fn clock_ahead(&self) -> Result<SignedDuration, Trouble> {
        let dated = Dated::default();
        let asked = clock::now();
        let call = self.reading.get_caller_identity().customize().interceptor(dated.clone()).send().await;
        let half = clock::now().duration_since(asked) / 2;
        let date = dated.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // An answer that refuses the call has a date as well.
        match (date.and_then(|date| rfc2822::parse(&date).ok()), call) {
            (Some(theirs), _) => Ok((asked + half).duration_since(theirs.timestamp())),
            (None, Err(error)) => Err(trouble(IDENTITY, error)),
            (None, Ok(_)) => Err(Trouble::new(IDENTITY, TroubleKind::Malformed, "the answer has no date")),
        }
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

/// Keeps the date of an answer.
#[derive(Debug, Clone, Default)]
struct Dated(Arc<Mutex<Option<String>>>);

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "date of the answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
