//! What every watcher has in common: when it asks, and how it says what it was told.

use std::future::Future;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::cadence::{Cadence, Pace};
use super::sample::{Reading, Sample, Source};
use crate::clients::Trouble;
use crate::runbook::names::PartitionName;

/// Something that can be asked again and again.
pub trait Ask: Send + 'static {
    /// Time between two askings.
    fn period(&self, pace: Pace) -> Duration;

    /// Asks once, and says what was answered. It may say nothing, where nothing can be asked yet.
    fn ask(&mut self, pace: Pace, voice: &Voice) -> impl Future<Output = ()> + Send;
}

/// Where samples are said.
#[derive(Debug, Clone)]
pub struct Voice {
    out: mpsc::Sender<Sample>,
}

impl Voice {
    /// A voice into that channel.
    pub fn new(out: mpsc::Sender<Sample>) -> Self {
        Self { out }
    }

    /// Says what a source answered to what was asked at `begun`.
    ///
    /// A sample is of the moment: where nobody takes them fast enough it is dropped, and the datum's age will show it.
    /// Lines are not, as nobody would say them again; they wait for their place.
    pub async fn say(&self, partition: &PartitionName, source: Source, begun: Instant, said: Result<Reading, Trouble>) {
        let keep = matches!(said, Ok(Reading::Lines(_) | Reading::SlowLog(_)));
        let sample = Sample { partition: partition.clone(), source, at: Timestamp::now(), took: begun.elapsed(), said };
        // Nobody may be listening any more: then the session ends, and so will this task.
        if keep {
            let _ = self.out.send(sample).await;
        } else {
            let _ = self.out.try_send(sample);
        }
    }
}

/// When a watcher asks.
#[derive(Debug)]
pub struct Task {
    /// The partitions it asks for; the most hurried one sets its pace.
    pub partitions: Vec<PartitionName>,
    /// Where its samples go.
    pub voice: Voice,
    /// How often it asks.
    pub cadence: watch::Receiver<Cadence>,
    /// When it ends.
    pub cancel: CancellationToken,
}

impl Task {
    /// Asks until the session ends. A tick that is missed, because an answer took longer, is not made up for.
    pub async fn run(mut self, mut asked: impl Ask) {
        loop {
            let pace = self.pace();
            let begun = Instant::now();
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = asked.ask(pace, &self.voice) => {}
            }
            if !self.wait(begun + asked.period(pace)).await {
                return;
            }
        }
    }

    fn pace(&mut self) -> Pace {
        let cadence = self.cadence.borrow_and_update();
        self.partitions.iter().map(|partition| cadence.of(partition)).max().unwrap_or_default()
    }

    /// Waits until then, or until the cadence is sent anew, which asks for a look at once. False once the session ends.
    async fn wait(&mut self, until: Instant) -> bool {
        tokio::select! {
            () = self.cancel.cancelled() => false,
            // Whoever set the cadence may be gone; the last word holds then.
            Ok(()) = self.cadence.changed() => true,
            () = tokio::time::sleep_until(until.into()) => true,
        }
    }
}
