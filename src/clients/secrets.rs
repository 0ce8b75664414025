//! Secrets Manager.

use std::collections::HashMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;

use super::aws::{Configs, client, trouble};
use super::{Trouble, TroubleKind, known};

const VALUE: &str = "secretsmanager:GetSecretValue";

/// Secrets Manager in one account and region.
#[derive(Debug, Clone)]
pub struct Secrets {
    reading: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: client!(aws_sdk_secretsmanager, &configs.reading) }
    }

    /// The current value of a secret, by name or ARN; empty where it holds none.
    pub async fn value(&self, id: &str) -> Result<SecretString, Trouble> {
        let answer = self.reading.get_secret_value().secret_id(id).send().await;
        let value = answer.map_err(|error| trouble(VALUE, error))?.secret_string;
        let value = SecretString::from(value.unwrap_or_default());
        known::remember(&value);
        Ok(value)
    }

    /// One key of a secret whose value is a JSON object.
    pub async fn key(&self, id: &str, key: &str) -> Result<SecretString, Trouble> {
        let value = self.value(id).await?;
        // The parser's own words could quote the value.
        let malformed = || Trouble::new(VALUE, TroubleKind::Malformed, format!("secret {id} is not a JSON object"));
        // Only the value that is asked for is copied out of the text, and is zeroed as the text is.
        let object: HashMap<String, &RawValue> =
            serde_json::from_str(value.expose_secret()).map_err(|_| malformed())?;
        let found = object.get(key).and_then(|raw| serde_json::from_str::<SecretString>(raw.get()).ok());
        match found {
            Some(secret) => {
                known::remember(&secret);
                Ok(secret)
            }
            None => Err(Trouble::new(VALUE, TroubleKind::NotFound, format!("secret {id} has no text under {key}"))),
        }
    }
}
