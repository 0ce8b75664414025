//! What every watcher has in common: when it asks, and how it says what it was told.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::cadence::{Cadence, Pace};
use super::sample::{Reading, Sample, Source};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::PartitionName;
use crate::runbook::witness::{ClockOffset, Steady};
use crate::{awake, clock};

/// How often the time between two askings is doubled at most.
const MOST_STRAIN: u32 = 3;

/// Something that can be asked again and again.
pub trait Ask: Send + 'static {
    /// Time between two askings.
    fn period(&self, pace: Pace) -> Duration;

    /// Asks once, and says what was answered. It may say nothing, where nothing can be asked yet.
    fn ask(&mut self, pace: Pace, voice: &Voice) -> impl Future<Output = ()> + Send;

    /// Waits until something calls for an asking before its time.
    fn called(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// Where samples are said.
#[derive(Debug, Clone)]
pub struct Voice {
    out: mpsc::Sender<Sample>,
    /// When the watchers began.
    origin: Timestamp,
    /// Hears everything that is said.
    alarm: Arc<Alarm>,
    /// Time until the source is asked again.
    period: Duration,
    /// How often in a row the source has said that it is asked too much.
    strain: Arc<AtomicU32>,
}

impl Voice {
    /// A voice into that channel, heard by this alarm.
    pub fn new(out: mpsc::Sender<Sample>, alarm: Arc<Alarm>) -> Self {
        Self { out, origin: clock::now(), alarm, period: Duration::ZERO, strain: Arc::default() }
    }

    /// Says what a source answered to what was asked at `begun`.
    ///
    /// A sample is of the moment: where nobody takes them fast enough it is dropped, and the datum's age will show it.
    /// Lines are not, as nobody would say them again; they wait for their place.
    pub async fn say(&self, partition: &PartitionName, source: Source, begun: Instant, said: Result<Reading, Trouble>) {
        match &said {
            Err(trouble) if trouble.kind == TroubleKind::Throttled => {
                self.strain.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.strain.store(0, Ordering::Relaxed),
        }
        let again = said.is_err().then(|| self.period * (1 << self.strained()));
        self.tell(partition, source, Told { again, ..Told::new(begun, Instant::now(), said) }).await;
    }

    /// How often the time between two askings is doubled.
    fn strained(&self) -> u32 {
        self.strain.load(Ordering::Relaxed).min(MOST_STRAIN)
    }

    /// As [`Self::say`], of what was asked and answered at those moments.
    pub async fn tell(&self, partition: &PartitionName, source: Source, told: Told) {
        let Told { asked, at, said, clock, again } = told;
        let keep = matches!(said, Ok(Reading::Lines(_) | Reading::SlowLog(_)));
        let since = SignedDuration::try_from(at.elapsed()).unwrap_or_default();
        // An answer may have waited through the machine's sleep, which no `Instant` counts: it is as old as its question.
        let took = at.saturating_duration_since(asked) + awake::hidden(asked);
        let at = clock::now() - since;
        let mut sample = Sample::new(partition.clone(), source, at, took, said);
        sample.steady = Some(Steady { begun: self.origin, elapsed: at.duration_since(self.origin) });
        sample.unaware = awake::unaware();
        sample.clock = clock;
        sample.again = again;
        self.alarm.take(&sample);
        // Nobody may be listening any more: then the session ends, and so will this task.
        if keep {
            let _ = self.out.send(sample).await;
        } else {
            let _ = self.out.try_send(sample);
        }
    }
}

/// What a source told, and when.
#[derive(Debug)]
pub struct Told {
    /// When it was asked; the same as `at` where nothing was asked.
    pub asked: Instant,
    /// When it answered, or failed to.
    pub at: Instant,
    /// What it said, or why it said nothing.
    pub said: Result<Reading, Trouble>,
    /// Its clock.
    pub clock: Option<ClockOffset>,
    /// After what time it is asked again, where there is trouble.
    pub again: Option<Duration>,
}

impl Told {
    /// What was asked and answered then.
    pub fn new(asked: Instant, at: Instant, said: Result<Reading, Trouble>) -> Self {
        Self { asked, at, said, clock: None, again: None }
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
    ///
    /// A source that is throttled is asked less often, each time twice as seldom up to a bound, and never by several watchers
    /// at the same moment. The age of what it said shows that.
    pub async fn run(mut self, mut asked: impl Ask) {
        self.voice.strain = Arc::default();
        loop {
            let pace = self.pace();
            let begun = Instant::now();
            self.voice.period = asked.period(pace);
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = asked.ask(pace, &self.voice) => {}
            }
            let next = begun + asked.period(pace).mul_f64(self.slower());
            tokio::select! {
                () = asked.called() => {}
                goes_on = self.wait(next) => if !goes_on { return },
            }
        }
    }

    /// By how much slower than usual the source is asked.
    fn slower(&self) -> f64 {
        match self.voice.strained() {
            0 => 1.0,
            strain => f64::from(1_u32 << strain) * (0.75 + fastrand::f64() / 2.0),
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
