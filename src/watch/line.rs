//! A session with whatever a name leads to: kept for as long as it serves, its end noticed at once, and made anew for as
//! long as that takes.
//!
//! Whoever waits for one connection after the other sees a promoted server late: a host that went dark answers nothing for
//! seconds, and meanwhile the name leads elsewhere. So connections are made in a race: while one hangs, another begins, with
//! the name resolved anew, and the first that serves wins. How many hang at once is bounded, and so is how often they begin.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, pending};
use futures::stream::FuturesUnordered;
use tokio::time::{sleep_until, timeout};

use super::Watching;
use super::cadence::{Pace, backed_off};
use super::sample::{Reading, Source, SqlView};
use super::task::Told;
use crate::clients::postgres::{Ended, Session};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::witness::ClockOffset;

/// How long a connection that was refused is left alone at least.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// How long a server is left alone that has no place for a session, and one that refuses this role or password: some lock a
/// role out.
const FULL_PAUSE: Duration = Duration::from_secs(1);
const DENIED_PAUSE: Duration = Duration::from_secs(2);

/// What is asked over a session.
pub trait Question: Send + Sync + 'static {
    /// The partition.
    fn partition(&self) -> &PartitionName;

    /// Who is asked.
    fn source(&self) -> Source;

    /// Time between two askings; none where nothing is asked at this pace.
    fn period(&self, pace: Pace) -> Option<Duration>;

    /// Waits until it is known where to dial, if that ever is.
    fn ready(&self) -> impl Future<Output = ()> + Send;

    /// Begins a session with whatever the name leads to now.
    fn dial(&self) -> impl Future<Output = Result<Session, Trouble>> + Send;

    /// Asks over a session.
    fn ask(&self, over: Standing) -> impl Future<Output = Result<Answer, Trouble>> + Send;
}

/// A session that stands.
#[derive(Debug)]
pub struct Standing {
    /// The session.
    pub session: Session,
    /// Whether nothing was answered over it yet.
    pub is_new: bool,
    /// Whose server it ended on, where the server itself cannot say.
    pub whose: Option<InstanceId>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The session, to be asked again.
    pub over: Standing,
    /// When the question was sent.
    pub asked: Instant,
    /// When it was answered.
    pub at: Instant,
    /// What was answered.
    pub view: SqlView,
    /// The server's clock.
    pub clock: Option<ClockOffset>,
    /// Whether the session is one to be kept. Others are dropped, and the name is followed anew.
    pub serves: bool,
}

/// What became of asking, or of dialling and asking.
struct Tried {
    asked: Instant,
    at: Instant,
    /// How long dialling took, where a session was made for it.
    dialled: Option<Duration>,
    said: Result<Answer, Trouble>,
}

/// A question that is asked again and again over a session of its own.
pub struct Line<Q> {
    question: Arc<Q>,
    watching: Watching,
    standing: Option<Standing>,
    under_way: FuturesUnordered<BoxFuture<'static, Tried>>,
    /// How many of those under way are dialling.
    dials: usize,
    /// Whether the standing session is being asked.
    asking: bool,
    /// When something was last begun.
    begun: Option<Instant>,
    /// Whether the next thing is to begin without waiting for its time.
    at_once: bool,
    /// Since when nothing serves, and the last trouble.
    down: Option<(Instant, TroubleKind)>,
    /// How long it took to dial when it last worked.
    usual: Duration,
}

impl<Q: Question> Line<Q> {
    /// A line that asks this.
    pub fn new(question: Q, watching: Watching) -> Self {
        Self {
            question: Arc::new(question),
            watching,
            standing: None,
            under_way: FuturesUnordered::new(),
            dials: 0,
            asking: false,
            begun: None,
            at_once: true,
            down: None,
            usual: Duration::ZERO,
        }
    }

    /// Asks until the session of the cockpit ends.
    pub async fn run(mut self) {
        let cancel = self.watching.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => return,
            () = self.question.ready() => {}
        }
        loop {
            self.at_once |= self.watching.cadence.has_changed().unwrap_or(false);
            let pace = self.watching.pace(self.question.partition());
            let due = self.due(pace);
            let ended = self.standing.as_ref().map(|standing| standing.session.ended());
            let ended = ended.map_or_else(|| pending().boxed(), FutureExt::boxed);
            tokio::select! {
                () = cancel.cancelled() => return,
                Ok(()) = self.watching.cadence.changed() => self.at_once = true,
                Some(tried) = self.under_way.next(), if !self.under_way.is_empty() => self.take(tried, pace).await,
                how = ended => self.ended(how, pace).await,
                () = until(due) => self.begin(pace),
            }
        }
    }

    /// When the next thing is to begin; none where something else must happen first.
    fn due(&mut self, pace: Pace) -> Option<Instant> {
        let period = self.question.period(pace);
        // Whoever saw an outage begin stays to see its end.
        if period.is_none() && self.down.is_none() {
            self.standing = None;
            self.at_once = true;
            return None;
        }
        let now = Instant::now();
        let begun = self.begun.unwrap_or(now);
        if self.asking || self.dials > 0 {
            let has_room = self.dials < rivals(pace);
            return has_room.then(|| begun + self.hung_after(pace));
        }
        if self.at_once {
            return Some(now);
        }
        Some(begun + if self.standing.is_some() { period.unwrap_or_default() } else { self.pause(pace) })
    }

    /// After what time another connection is tried beside one that did not come about yet.
    fn hung_after(&self, pace: Pace) -> Duration {
        let patience = match pace {
            Pace::Quiet => Duration::from_secs(2),
            Pace::Busy => Duration::from_secs(1),
            Pace::Failover => Duration::from_millis(150),
        };
        patience.max(self.usual)
    }

    /// How long one connection, or one answer, may take.
    fn patience(&self, pace: Pace) -> Duration {
        let patience = match pace {
            Pace::Quiet => Duration::from_secs(10),
            Pace::Busy => Duration::from_secs(5),
            Pace::Failover => Duration::from_millis(1500),
        };
        patience.max(self.usual * 3)
    }

    /// How long is waited after what failed before it is tried again.
    fn pause(&self, pace: Pace) -> Duration {
        let period = self.question.period(pace).unwrap_or_else(|| pace.light()).max(LEAST_PAUSE);
        let Some((since, kind)) = self.down else { return period };
        let least = match kind {
            TroubleKind::Unreachable | TroubleKind::NoAnswer | TroubleKind::NotFound => LEAST_PAUSE,
            TroubleKind::Throttled => FULL_PAUSE,
            TroubleKind::Refused | TroubleKind::SignedOut | TroubleKind::Denied | TroubleKind::Malformed => {
                DENIED_PAUSE
            }
        };
        period.max(least).max(backed_off(since.elapsed()))
    }

    fn begin(&mut self, pace: Pace) {
        self.begun = Some(Instant::now());
        self.at_once = false;
        let (question, patience) = (self.question.clone(), self.patience(pace));
        self.under_way.push(match self.standing.take() {
            Some(standing) => {
                self.asking = true;
                asked(question, standing, patience, None).boxed()
            }
            None => {
                self.dials += 1;
                dialled(question, patience).boxed()
            }
        });
    }

    async fn take(&mut self, tried: Tried, pace: Pace) {
        let Tried { asked, at, dialled, said } = tried;
        match dialled {
            Some(_) => self.dials = self.dials.saturating_sub(1),
            None => self.asking = false,
        }
        match said {
            Ok(answer) => {
                if answer.serves {
                    self.usual = dialled.unwrap_or(self.usual);
                    self.serves(answer.over);
                } else {
                    self.down.get_or_insert((at, TroubleKind::Unreachable));
                }
                let said =
                    Told { clock: answer.clock, ..Told::new(answer.asked, answer.at, Ok(Reading::Sql(answer.view))) };
                self.tell(said).await;
            }
            Err(trouble) => {
                // A session that failed is replaced at once; what could not be made has a pause.
                self.at_once = self.at_once || dialled.is_none();
                self.fails(asked, at, trouble, pace).await;
            }
        }
    }

    /// The race is won: whoever still runs is dropped, and with it what was asked.
    fn serves(&mut self, standing: Standing) {
        self.standing = Some(standing);
        self.under_way.clear();
        self.dials = 0;
        self.asking = false;
        self.down = None;
    }

    async fn ended(&mut self, how: Ended, pace: Pace) {
        self.standing = None;
        self.at_once = true;
        // It stood when it was last asked, and was answered.
        let asked = how.at.checked_sub(how.unheard).max(self.begun).unwrap_or(how.at);
        self.fails(asked, how.at, how.trouble, pace).await;
    }

    async fn fails(&mut self, asked: Instant, at: Instant, trouble: Trouble, pace: Pace) {
        let since = self.down.map_or(at, |(since, _)| since);
        self.down = Some((since, trouble.kind));
        let again = if self.at_once { Duration::ZERO } else { self.pause(pace) };
        self.tell(Told { again: Some(again), ..Told::new(asked, at, Err(trouble)) }).await;
    }

    async fn tell(&mut self, told: Told) {
        self.watching.voice.tell(self.question.partition(), self.question.source(), told).await;
    }
}

/// How many connections are under way at once at most.
fn rivals(pace: Pace) -> usize {
    match pace {
        Pace::Quiet => 2,
        Pace::Busy => 4,
        // As many as begin within the patience that one is given, so that none that hangs keeps another from beginning.
        Pace::Failover => 10,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

async fn dialled<Q: Question>(question: Arc<Q>, patience: Duration) -> Tried {
    let begun = Instant::now();
    let failed = |trouble| {
        let at = Instant::now();
        Tried { asked: begun, at, dialled: Some(at - begun), said: Err(trouble) }
    };
    let session = match timeout(patience, question.dial()).await {
        Ok(Ok(session)) => session,
        Ok(Err(trouble)) => return failed(trouble),
        Err(_) => return failed(nothing("connect", patience, TroubleKind::Unreachable)),
    };
    let took = begun.elapsed();
    asked(question, Standing { session, is_new: true, whose: None }, patience, Some(took)).await
}

async fn asked<Q: Question>(question: Arc<Q>, over: Standing, patience: Duration, dialled: Option<Duration>) -> Tried {
    let begun = Instant::now();
    let said = timeout(patience, question.ask(over)).await;
    let said = said.unwrap_or_else(|_| Err(nothing("SQL", patience, TroubleKind::NoAnswer)));
    Tried { asked: begun, at: Instant::now(), dialled, said }
}

fn nothing(call: &str, patience: Duration, kind: TroubleKind) -> Trouble {
    Trouble::new(call, kind, format!("nothing within {} ms", patience.as_millis()))
}
