//! Reading a secret from where the plan says it is, as late as possible.

use secrecy::SecretString;

use super::{Aws, Trouble, TroubleKind, known, onepassword};
use crate::runbook::plan::{Plan, SecretSource};

/// Remembers the passwords that a plan has in the environment, so that they are masked: whatever is started from here has them
/// there as well and may print them, whether they were read or not.
pub fn remember_environment(plan: &Plan) {
    for target in plan.partitions.iter().filter_map(|partition| partition.sql.as_ref()) {
        if let SecretSource::Env(name) = &target.password
            && let Ok(value) = std::env::var(name)
        {
            known::remember(&SecretString::from(value));
        }
    }
}

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
