//! Reading a secret from where the plan says it is, as late as possible.

use secrecy::SecretString;

use super::{Aws, Trouble, TroubleKind, known, onepassword};
use crate::runbook::plan::SecretSource;

/// Reads the secret. It is not kept.
///
/// # Errors
/// As the source answers; an environment variable that is not set is `NotFound`.
pub async fn read(source: &SecretSource, aws: &Aws) -> Result<SecretString, Trouble> {
    match source {
        SecretSource::Op(reference) => onepassword::read(reference).await,
        SecretSource::SecretsManager { id, key: Some(key) } => aws.secrets.key(id, key).await,
        SecretSource::SecretsManager { id, key: None } => aws.secrets.value(id).await,
        SecretSource::Env(name) => {
            let secret = std::env::var(name).map(SecretString::from).map_err(|_| {
                Trouble::new(format!("environment {name}"), TroubleKind::NotFound, "the variable is not set".to_owned())
            })?;
            known::remember(&secret);
            Ok(secret)
        }
        SecretSource::Iam => {
            let words = "IAM vouches for the role, so there is no password";
            Err(Trouble::new("password", TroubleKind::NotFound, words))
        }
    }
}
