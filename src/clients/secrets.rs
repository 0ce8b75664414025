//! Secrets Manager.

use secrecy::SecretString;

use super::aws::{Configs, trouble};
use super::{Trouble, TroubleKind};

const VALUE: &str = "secretsmanager:GetSecretValue";

/// Secrets Manager in one account and region.
#[derive(Debug, Clone)]
pub struct Secrets {
    reading: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: aws_sdk_secretsmanager::Client::new(&configs.reading) }
    }

    /// The current value of a secret, by name or ARN; empty where it holds none.
    pub async fn value(&self, id: &str) -> Result<SecretString, Trouble> {
        let answer = self.reading.get_secret_value().secret_id(id).send().await;
        let value = answer.map_err(|error| trouble(VALUE, error))?.secret_string;
        Ok(SecretString::from(value.unwrap_or_default()))
    }

    /// One key of a secret whose value is a JSON object.
    pub async fn key(&self, id: &str, key: &str) -> Result<SecretString, Trouble> {
        use secrecy::ExposeSecret as _;
        let value = self.value(id).await?;
        // The parser's own words could quote the value.
        let malformed = || Trouble::new(VALUE, TroubleKind::Malformed, format!("secret {id} is not a JSON object"));
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(value.expose_secret()).map_err(|_| malformed())?;
        match object.get(key).and_then(serde_json::Value::as_str) {
            Some(text) => Ok(SecretString::from(text)),
            None => Err(Trouble::new(VALUE, TroubleKind::NotFound, format!("secret {id} has no text under {key}"))),
        }
    }
}
