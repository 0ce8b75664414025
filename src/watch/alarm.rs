//! Notices by itself that something moves: a session that is cut, a witness that names another writer than before. Then the
//! partition is watched as in a failover that was fired from here, until nothing has moved for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::cadence::{Cadence, Pace};
use super::sample::{Sample, Source};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::witness::{Testimony, Witness, Word};

/// How long after the last change a partition is watched closely.
const AFTER: Duration = Duration::from_secs(30);
/// How long it is watched closely at most because a server that was there does not answer.
const DOWN: Duration = Duration::from_secs(300);
/// How long a witness whose session was cut and stood again at once raises no more alarm: something on the way drops what is
/// idle, and would have everybody hurry for ever.
const DEAF: Duration = Duration::from_secs(600);

/// SQLSTATE of a session that the server ended because it was idle.
const IDLE: &str = "57P05";

/// What was noticed so far.
#[derive(Debug, Default)]
pub struct Alarm {
    noticed: Mutex<Noticed>,
    raised: Notify,
}

impl Alarm {
    /// Takes in what a source said.
    pub fn take(&self, sample: &Sample) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        if noticed.take(sample, Instant::now()) {
            self.raised.notify_one();
        }
    }

    fn until(&self, now: Instant) -> BTreeMap<PartitionName, Instant> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).until(now)
    }

    /// Passes the cadence on that was commanded, with those partitions hurried where something was noticed.
    pub async fn hurry(
        &self,
        mut commanded: watch::Receiver<Cadence>,
        hurried: watch::Sender<Cadence>,
        cancel: CancellationToken,
    ) {
        let mut last = Some(hurried.borrow().clone());
        loop {
            let until = self.until(Instant::now());
            let mut cadence = commanded.borrow_and_update().clone();
            cadence.paces.extend(until.keys().map(|partition| (partition.clone(), Pace::Failover)));
            if last.as_ref() != Some(&cadence) {
                hurried.send_replace(cadence.clone());
                last = Some(cadence);
            }
            let calm = until.values().min().copied();
            tokio::select! {
                () = cancel.cancelled() => return,
                // Every word of whoever commands makes all look at once, also one that says the same. It may be gone: then
                // its last word holds.
                Ok(()) = commanded.changed() => last = None,
                () = self.raised.notified() => {}
                () = sleep_until(calm) => {}
            }
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => futures::future::pending().await,
    }
}

/// What the witnesses said before, and what moved.
#[derive(Debug, Default)]
struct Noticed {
    witnesses: HashMap<(PartitionName, Witness), Before>,
    changed: BTreeMap<PartitionName, Instant>,
}

/// What a witness said before.
#[derive(Debug, Default)]
struct Before {
    stance: Option<Stance>,
    /// Since when its session is cut, and how often it failed since.
    down: Option<(Instant, u32)>,
    deaf_until: Option<Instant>,
}

/// What a witness holds.
#[derive(Debug, Clone, PartialEq)]
enum Stance {
    /// That is the writer.
    Names(InstanceId),
    /// It ended on a reader.
    Reader,
    /// The cluster fails over, or does not.
    FailsOver(bool),
}

impl Noticed {
    /// Takes in what a source said; whether that is cause for alarm.
    fn take(&mut self, sample: &Sample, now: Instant) -> bool {
        let mut alarm = false;
        for testimony in sample.testimony() {
            let key = (sample.partition.clone(), testimony.witness.clone());
            let before = self.witnesses.entry(key).or_default();
            alarm |= match &sample.said {
                Ok(_) => before.says(&testimony, now),
                Err(trouble) => speaks_sql(&sample.source) && before.fails(trouble, now),
            };
        }
        if alarm {
            self.changed.insert(sample.partition.clone(), now);
        }
        alarm
    }

    /// The partitions that are to be watched closely, and until when by what is known now.
    fn until(&self, now: Instant) -> BTreeMap<PartitionName, Instant> {
        let mut until: BTreeMap<PartitionName, Instant> = BTreeMap::new();
        for (partition, changed) in &self.changed {
            let down = self.witnesses.iter().filter(|((of, _), _)| of == partition);
            let down = down.filter_map(|(_, before)| before.down).map(|(since, _)| since + DOWN);
            let last = down.chain([*changed + AFTER]).max().filter(|last| *last > now);
            until.extend(last.map(|last| (partition.clone(), last)));
        }
        until
    }
}

impl Before {
    fn says(&mut self, testimony: &Testimony, now: Instant) -> bool {
        let Some(stance) = stance(testimony) else { return false };
        let moved = self.stance.as_ref().is_some_and(|before| *before != stance);
        self.stance = Some(stance);
        let came_back_at_once = self.down.take().is_some_and(|(_, failures)| failures == 1);
        if came_back_at_once && !moved {
            self.deaf_until = Some(now + DEAF);
        }
        moved
    }

    /// Whether a session that stood was cut.
    fn fails(&mut self, trouble: &Trouble, now: Instant) -> bool {
        let is_cut = matches!(trouble.kind, TroubleKind::Unreachable | TroubleKind::NoAnswer) && !trouble.is_code(IDLE);
        if let Some((_, failures)) = &mut self.down {
            *failures += 1;
            return false;
        }
        let stood = self.stance.is_some();
        let is_deaf = self.deaf_until.is_some_and(|until| now < until);
        if !is_cut || !stood || is_deaf {
            return false;
        }
        self.down = Some((now, 1));
        true
    }
}

fn speaks_sql(source: &Source) -> bool {
    matches!(source, Source::SqlEndpoint | Source::SqlInstance(_))
}

fn stance(testimony: &Testimony) -> Option<Stance> {
    match &testimony.word {
        Word::Writer { instance, .. } => Some(Stance::Names(instance.clone())),
        Word::Reader => Some(Stance::Reader),
        Word::Status { text, .. } if testimony.witness == Witness::ApiStatus => {
            Some(Stance::FailsOver(text == "failing-over"))
        }
        Word::Status { .. } | Word::Happened { .. } | Word::Silent { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::watch::sample::{Reading, Role, SqlView};

    const STAGE: &str = "stage";

    fn sample(source: Source, said: Result<Reading, Trouble>) -> Sample {
        Sample::new(STAGE.into(), source, Timestamp::now(), Duration::ZERO, said)
    }

    fn instance(id: &str) -> Source {
        Source::SqlInstance(id.into())
    }

    fn sql(id: &str, role: Role) -> Result<Reading, Trouble> {
        let (instance, writer, started, lag_ms, write) = (Some(id.into()), None, None, None, None);
        Ok(Reading::Sql(SqlView { instance, role, writer, started, lag_ms, reconnected: false, write }))
    }

    fn writer(id: &str) -> Result<Reading, Trouble> {
        sql(id, Role::Writer)
    }

    fn cut() -> Result<Reading, Trouble> {
        Err(Trouble::new("session", TroubleKind::Unreachable, "terminated").with_code("57P01"))
    }

    /// Says these, each that many seconds after the beginning; at which of them alarm was raised, and until when it is then.
    fn told(words: &[(u64, Source, Result<Reading, Trouble>)]) -> (Vec<u64>, Option<u64>) {
        let (mut noticed, begun) = (Noticed::default(), Instant::now());
        let mut raised = Vec::new();
        let mut now = begun;
        for (at, source, said) in words {
            now = begun + Duration::from_secs(*at);
            if noticed.take(&sample(source.clone(), said.clone()), now) {
                raised.push(*at);
            }
        }
        let until = noticed.until(now).get(&PartitionName::from(STAGE)).map(|until| (*until - begun).as_secs());
        (raised, until)
    }

    #[test]
    fn what_moves_raises_alarm_and_what_only_speaks_does_not() {
        let endpoint = || Source::SqlEndpoint;
        let idle = || Err(Trouble::new("session", TroubleKind::Unreachable, "idle").with_code(IDLE));
        let denied = || Err(Trouble::new("SQL", TroubleKind::Denied, "wrong password").with_code("28P01"));
        let table = [
            (
                "the first words",
                vec![(0, endpoint(), writer("a")), (1, instance("b"), sql("b", Role::Reader))],
                vec![],
                None,
            ),
            ("nothing new", vec![(0, endpoint(), writer("a")), (10, endpoint(), writer("a"))], vec![], None),
            ("never answered", vec![(0, endpoint(), cut()), (10, endpoint(), cut())], vec![], None),
            ("another writer", vec![(0, endpoint(), writer("a")), (10, endpoint(), writer("b"))], vec![10], Some(40)),
            (
                "promoted",
                vec![(0, instance("b"), sql("b", Role::Reader)), (10, instance("b"), writer("b"))],
                vec![10],
                Some(40),
            ),
            ("cut", vec![(0, endpoint(), writer("a")), (10, endpoint(), cut())], vec![10], Some(310)),
            (
                "cut and back",
                vec![
                    (0, endpoint(), writer("a")),
                    (10, endpoint(), cut()),
                    (11, endpoint(), cut()),
                    (20, endpoint(), writer("a")),
                ],
                vec![10],
                Some(40),
            ),
            (
                "down for good",
                vec![(0, endpoint(), writer("a")), (10, endpoint(), cut()), (311, endpoint(), cut())],
                vec![10],
                None,
            ),
            ("ended while idle", vec![(0, endpoint(), writer("a")), (10, endpoint(), idle())], vec![], None),
            ("a password that changed", vec![(0, endpoint(), writer("a")), (10, endpoint(), denied())], vec![], None),
            (
                "a proxy that drops what is idle",
                vec![
                    (0, endpoint(), writer("a")),
                    (10, endpoint(), cut()),
                    (10, endpoint(), writer("a")),
                    (60, endpoint(), cut()),
                    (60, endpoint(), writer("a")),
                    // A failover is noticed all the same.
                    (90, endpoint(), cut()),
                    (91, endpoint(), writer("b")),
                ],
                vec![10, 91],
                Some(121),
            ),
        ];
        for (what, words, raised, until) in table {
            assert_eq!(told(&words), (raised, until), "{what}");
        }
    }

    #[tokio::test]
    async fn the_cadence_rises_above_what_is_commanded_and_never_falls_below_it() {
        let alarm = std::sync::Arc::new(Alarm::default());
        let (command, commanded) = watch::channel(Cadence::only("prod".into(), Pace::Busy));
        let (hurried, mut cadence) = watch::channel(commanded.borrow().clone());
        let cancel = CancellationToken::new();
        let hurrying = {
            let (alarm, cancel) = (alarm.clone(), cancel.clone());
            tokio::spawn(async move { alarm.hurry(commanded, hurried, cancel).await })
        };
        alarm.take(&sample(Source::SqlEndpoint, writer("a")));
        alarm.take(&sample(Source::SqlEndpoint, cut()));
        let both = cadence.wait_for(|now| now.of(&STAGE.into()) == Pace::Failover).await.expect("raised").clone();
        assert_eq!(both.of(&"prod".into()), Pace::Busy);
        // A command that says the same makes all look at once.
        cadence.borrow_and_update();
        command.send_modify(|cadence| cadence.paces.clear());
        cadence.changed().await.expect("passed on");
        assert_eq!(*cadence.borrow_and_update(), Cadence::only(STAGE.into(), Pace::Failover));
        command.send_modify(|_| {});
        cadence.changed().await.expect("passed on, though it says the same");
        cancel.cancel();
        hurrying.await.expect("it ends");
    }
}
