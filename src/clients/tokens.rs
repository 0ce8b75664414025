//! Tokens by which IAM vouches for a database role, in the place of a password.

use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use secrecy::SecretString;

use super::aws::Configs;
use super::{Trouble, TroubleKind};

/// Makes tokens with the credentials of one account.
#[derive(Debug, Clone)]
pub struct Tokens {
    config: SdkConfig,
}

impl Tokens {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { config: configs.reading.clone() }
    }

    /// A token for a role on the server of that name. It is signed here and calls nobody, but for the credentials
    /// themselves; a session may be begun with it for 15 minutes, and outlives it.
    ///
    /// # Errors
    /// `SignedOut` where there are no credentials to sign with.
    pub async fn token(&self, name: &str, port: u16, user: &str) -> Result<SecretString, Trouble> {
        let call = format!("token for {user} on {name}");
        let request = Config::builder().hostname(name).port(u64::from(port)).username(user).build();
        let request = request.map_err(|error| Trouble::new(&call, TroubleKind::Malformed, error.to_string()))?;
        let token = AuthTokenGenerator::new(request).auth_token(&self.config).await;
        token
            .map(|token| SecretString::from(token.as_str()))
            .map_err(|error| Trouble::new(call, TroubleKind::SignedOut, super::cause::root_words(&*error)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, UNIX_EPOCH};

    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_async::time::StaticTimeSource;
    use secrecy::ExposeSecret as _;

    use super::*;

    const SERVER: &str = "alpha001-prod-auroracluster.cluster-c0123456789a.us-east-1.rds.amazonaws.com";
    const ROLE: &str = "prod-operations.ItemDb";

    /// What botocore's `generate_db_auth_token` makes of the same server, role, credentials and moment.
    const BOTOCORE: &str = "alpha001-prod-auroracluster.cluster-c0123456789a.us-east-1.rds.amazonaws.com:5432/\
        ?Action=connect&DBUser=prod-operations.ItemDb&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260515%2Fus-east-1%2Frds-db%2Faws4_request\
        &X-Amz-Date=20260515T061622Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session-token\
        &X-Amz-Signature=59985741f1d4ca5f30e31cdcdd781a42ba67b61ccc06be024bbc9827652d1285";

    fn parts(token: &str) -> (&str, Vec<&str>) {
        let (server, query) = token.split_once('?').unwrap();
        let mut pairs: Vec<_> = query.split('&').collect();
        pairs.sort_unstable();
        (server, pairs)
    }

    #[tokio::test]
    async fn a_token_is_the_one_that_botocore_makes() {
        let (key, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let credentials = Credentials::new(key, secret, Some("session-token".into()), None, "test");
        let config = SdkConfig::builder()
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .time_source(StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_778_825_782)))
            .build();
        let token = Tokens { config }.token(SERVER, 5432, ROLE).await.unwrap();
        assert_eq!(parts(token.expose_secret()), parts(BOTOCORE));
    }

    #[tokio::test]
    async fn without_credentials_there_is_no_token() {
        let config = SdkConfig::builder().region(Region::new("us-east-1")).build();
        let trouble = Tokens { config }.token(SERVER, 5432, ROLE).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::SignedOut, "{trouble}");
    }
}
