//! The application over HTTP.

use std::time::{Duration, Instant};

use super::cadence::Pace;
use super::sample::{HttpView, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::Trouble;
use crate::clients::http_probe::HttpProbe;
use crate::runbook::names::PartitionName;

/// Asks the application's health path.
#[derive(Debug)]
pub struct Application {
    /// The partition.
    pub partition: PartitionName,
    /// Who asks; trouble if nobody can.
    pub probe: Result<HttpProbe, Trouble>,
    /// What is asked.
    pub url: String,
}

impl Ask for Application {
    fn period(&self, pace: Pace) -> Duration {
        pace.light()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let begun = Instant::now();
        let answer = match &self.probe {
            Ok(probe) => probe.get(&self.url).await,
            Err(trouble) => Err(trouble.clone()),
        };
        let said = answer.map(|answer| {
            let ms = u32::try_from(answer.took.as_millis()).unwrap_or(u32::MAX);
            Reading::Http(HttpView { status: answer.status, ms })
        });
        voice.say(&self.partition, Source::App, begun, said).await;
    }
}
