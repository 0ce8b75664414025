//! The session in whose name calls are signed: its keys, kept for as long as they hold, and when it ends.
//!
//! The SDK keeps a profile's keys of its own accord, and a profile with keys in a file it reads but once. Here they are read
//! anew when they end, after a minute where they name no end, and whenever a call was refused because of them: an operator
//! who signs in again, here or in another terminal, goes on without a restart.

use std::time::{Duration, Instant, SystemTime};

use aws_config::Region;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_types::os_shim_internal::{Env, Fs};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::clients::known;
use crate::clock;

/// How long before their end keys are not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// How long keys are kept that name no end: those in a file may be replaced there.
const KEPT: Duration = Duration::from_secs(60);

/// The keys of one profile.
#[derive(Debug)]
pub struct Session {
    profile: String,
    region: Region,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    credentials: Credentials,
    since: Instant,
}

impl Kept {
    fn holds(&self, margin: Duration) -> bool {
        match self.credentials.expiry() {
            Some(end) => end > SystemTime::from(clock::now()) + margin,
            None => self.since.elapsed() < KEPT,
        }
    }
}

/// When a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// Then.
    At {
        /// When.
        at: Timestamp,
        /// Whether it renews itself until somebody ends it.
        renews: bool,
        /// Who says so.
        source: String,
    },
    /// It cannot be known.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Session {
    /// The session of a profile. Reads nothing yet.
    pub fn new(profile: &str, region: Region) -> Self {
        Self { profile: profile.to_owned(), region, kept: Mutex::new(None) }
    }

    /// Has the keys read anew at the next call.
    pub async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    /// When it ends, as far as it can be known here.
    pub async fn end(&self) -> SessionEnd {
        self.end_by(&Fs::real(), &Env::real(), &sso_tokens()).await
    }

    async fn end_by(&self, fs: &Fs, env: &Env, tokens: &[Token]) -> SessionEnd {
        let unknown = |why: String| SessionEnd::Unknown { why };
        let profiles = aws_config::profile::load(fs, env, &Default::default(), None).await;
        let Ok(profiles) = profiles else { return unknown("the AWS configuration cannot be read".to_owned()) };
        let Some(profile) = profiles.get_profile(&self.profile) else {
            return unknown(format!("the AWS configuration has no profile {}", self.profile));
        };
        let session = profile.get("sso_session").and_then(|name| profiles.sso_session(name));
        let start_url = session.and_then(|session| session.get("sso_start_url")).or(profile.get("sso_start_url"));
        if let Some(url) = start_url {
            let of_session = tokens.iter().filter(|token| token.is_of(url));
            return match of_session.max_by_key(|token| token.expires_at) {
                Some(token) => SessionEnd::At {
                    at: token.expires_at,
                    renews: token.refresh_token.is_some(),
                    source: "the cached SSO token".to_owned(),
                },
                None => unknown(format!("no token of {url} is cached on this machine")),
            };
        }
        let expiry = self.kept.lock().await.as_ref().and_then(|kept| kept.credentials.expiry());
        match expiry.and_then(|end| Timestamp::try_from(end).ok()) {
            Some(at) => SessionEnd::At { at, renews: false, source: format!("the keys of {}", self.profile) },
            None => unknown(format!("{} uses no SSO session, and its keys name no end", self.profile)),
        }
    }

    async fn keys(&self) -> provider::Result {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.holds(MARGIN)) {
            return Ok(kept.credentials.clone());
        }
        let read = ProfileFileCredentialsProvider::builder()
            .profile_name(&self.profile)
            .configure(&ProviderConfig::without_region().with_region(Some(self.region.clone())))
            .build()
            .provide_credentials()
            .await;
        match (read, kept.as_ref()) {
            (Ok(credentials), _) => {
                known::remember(&SecretString::from(credentials.secret_access_key()));
                credentials.session_token().iter().for_each(|token| known::remember(&SecretString::from(*token)));
                *kept = Some(Kept { credentials: credentials.clone(), since: Instant::now() });
                Ok(credentials)
            }
            // They cannot be renewed, and have some seconds left.
            (Err(_), Some(kept)) if kept.credentials.expiry().is_some() && kept.holds(Duration::ZERO) => {
                Ok(kept.credentials.clone())
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// A profile's session as the SDK asks for it.
#[derive(Debug, Clone)]
pub(super) struct Keys(pub std::sync::Arc<Session>);

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.keys())
    }
}

/// A token that `aws sso login` left. Of the token itself nothing is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    start_url: String,
    expires_at: Timestamp,
    refresh_token: Option<serde::de::IgnoredAny>,
}

impl Token {
    fn is_of(&self, url: &str) -> bool {
        let bare = |url: &str| url.trim_end_matches(['/', '#']).to_owned();
        bare(&self.start_url) == bare(url)
    }
}

/// The tokens that are cached on this machine.
fn sso_tokens() -> Vec<Token> {
    let cache = std::env::home_dir().unwrap_or_default().join(".aws/sso/cache");
    let files = std::fs::read_dir(cache).into_iter().flatten().flatten();
    files.filter_map(|file| serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    const CONFIG: &str = "[profile S]\nsso_session = arda\nsso_account_id = 1\nsso_role_name = Admin\n\
        [sso-session arda]\nsso_region = us-east-1\nsso_start_url = https://arda.example/start\n\
        [profile K]\naws_access_key_id = a\naws_secret_access_key = b\n";

    async fn end(profile: &str, tokens: &str) -> SessionEnd {
        let session = Session::new(profile, Region::from_static("us-east-1"));
        let env = Env::from_slice(&[("AWS_CONFIG_FILE", "/config"), ("HOME", "/home")]);
        let tokens: Vec<Token> = serde_json::from_str(tokens).unwrap();
        session.end_by(&Fs::from_slice(&[("/config", CONFIG)]), &env, &tokens).await
    }

    #[tokio::test]
    async fn an_sso_session_ends_with_its_cached_token() {
        let tokens = r#"[
            {"startUrl": "https://other.example/start", "expiresAt": "2026-05-15T09:00:00Z", "accessToken": "secret"},
            {"startUrl": "https://arda.example/start/", "expiresAt": "2026-05-14T22:10:00Z", "accessToken": "secret"}
        ]"#;
        let SessionEnd::At { at, renews, .. } = end("S", tokens).await else { panic!("it is known") };
        assert_eq!((at.to_string().as_str(), renews), ("2026-05-14T22:10:00Z", false));
        let refreshed = tokens.replace("\"secret\"}\n        ]", "\"secret\", \"refreshToken\": \"r\"}\n        ]");
        assert!(matches!(end("S", &refreshed).await, SessionEnd::At { renews: true, .. }));
    }

    #[tokio::test]
    async fn what_cannot_be_known_is_said_to_be_so() {
        for (profile, expected) in [("S", "no token"), ("K", "name no end"), ("nobody", "no profile nobody")] {
            let SessionEnd::Unknown { why } = end(profile, "[]").await else { panic!("{profile}") };
            assert!(why.contains(expected), "{why}");
        }
    }
}
