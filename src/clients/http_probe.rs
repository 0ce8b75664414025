//! Whether the application answers, and how fast.

use std::time::{Duration, Instant};

use reqwest::redirect::Policy;

use super::{Trouble, TroubleKind};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks addresses over HTTP.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Time until the whole answer was there.
    pub took: Duration,
}

impl HttpProbe {
    /// A probe. Calls nobody.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new() -> Result<Self, Trouble> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            // A redirect is an answer, and where it leads is not what was asked.
            .redirect(Policy::none())
            .user_agent("aurora-cockpit")
            .build()
            .map_err(|error| Trouble::new("HTTP", TroubleKind::Malformed, words(error)))?;
        Ok(Self { client })
    }

    /// Gets an address.
    ///
    /// # Errors
    /// `Unreachable` without a connection, `NoAnswer` where the answer did not come in time or broke off.
    pub async fn get(&self, url: &str) -> Result<Answer, Trouble> {
        let call = format!("GET {}", without_query(url));
        let trouble = |error: reqwest::Error| {
            let kind = match () {
                () if error.is_builder() => TroubleKind::Malformed,
                () if error.is_connect() => TroubleKind::Unreachable,
                () => TroubleKind::NoAnswer,
            };
            Trouble::new(call.clone(), kind, words(error))
        };
        let begun = Instant::now();
        let mut response = self.client.get(url).send().await.map_err(&trouble)?;
        let status = response.status().as_u16();
        // What it says is not looked at, and not kept: it may be without end.
        while response.chunk().await.map_err(&trouble)?.is_some() {}
        Ok(Answer { status, took: begun.elapsed() })
    }
}

/// An error with its causes; the address is left out, as the call names it.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    crate::runbook::text::clean_line(&text)
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_status_of_failure_is_an_answer_and_a_closed_port_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/health?token=x", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await.expect("a request");
            let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            socket.write_all(answer).await.expect("sent");
        });
        let probe = HttpProbe::new().expect("a probe");
        assert_eq!(probe.get(&url).await.expect("an answer").status, 503);
        server.await.expect("served");
        let trouble = probe.get(&url).await.expect_err("nobody listens any more");
        assert_eq!(trouble.kind, TroubleKind::Unreachable);
        assert!(!trouble.call.contains("token"), "{}", trouble.call);
    }
}
