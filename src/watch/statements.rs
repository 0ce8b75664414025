//! What the writer's statements cost: differences of pg_stat_statements' counters.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{CounterReset, Reading, Source, StatementCost, StatementKey, StatementsView};
use super::task::{Ask, Voice};
use crate::clients::database::Database;
use crate::clients::postgres::{Address, Session, Statement, StatementCounters, StatementText};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::{InstanceId, PartitionName};

/// How many of the costliest statements are read, besides those that ran lately. Of what ranks below nothing is known.
const READ: u16 = 300;
/// How many statements that ran lately are read although others cost more in all.
const RAN: usize = 300;
/// How many are told because of their time, and how many more because of each of the other figures.
const TOLD: (usize, usize) = (40, 10);
/// How many texts are kept.
const TEXTS: usize = 2_000;
/// After this many looks a text is told again, for whom missed it: samples are of the moment, and are recorded.
const TOLD_AGAIN: u64 = 12;
/// Texts are read again after this many times what the last reading took, so that it never is a burden.
const TEXTS_PAUSE: u32 = 50;

/// Asks the writer for its statements' counters.
#[derive(Debug)]
pub struct Statements {
    partition: PartitionName,
    database: Result<Arc<Database>, Trouble>,
    described: Described,
    /// The session with the writer and who that is, while there is one.
    session: Option<(Session, Server)>,
    /// The counters before.
    before: Option<(Server, StatementCounters)>,
    /// When each statement last ran, by the number of the look.
    ran: HashMap<i64, u64>,
    looks: u64,
    texts: Texts,
}

/// Whose counters they are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    /// The instance's own word; none on a server that is not Aurora.
    instance: Option<InstanceId>,
    /// Where it listens: by that, servers that have no name are told apart.
    address: Option<(IpAddr, u16)>,
}

/// The texts that are known. A statement has the same id, and the same text, on every instance of the cluster.
#[derive(Debug, Default)]
struct Texts {
    known: HashMap<i64, StatementText>,
    /// The look at which each was last told.
    told: HashMap<i64, u64>,
    /// Before that, none are read.
    due: Option<Instant>,
}

impl Ask for Statements {
    fn period(&self, pace: Pace) -> Duration {
        pace.heavy()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let place = match &self.database {
            Ok(database) => api::endpoint(database, &mut self.described).await,
            Err(trouble) => Err(trouble.clone()),
        };
        let begun = Instant::now();
        let said = match place {
            Ok(address) => self.look(&address).await,
            Err(trouble) => Err(trouble),
        };
        voice.say(&self.partition, Source::Statements, begun, said).await;
    }
}

impl Statements {
    /// A watcher of a partition's statements; `database` is trouble if it cannot be spoken to at all.
    pub fn new(partition: PartitionName, database: Result<Arc<Database>, Trouble>, described: Described) -> Self {
        let (ran, texts) = (HashMap::new(), Texts::default());
        Self { partition, database, described, session: None, before: None, ran, looks: 0, texts }
    }

    async fn look(&mut self, address: &Address) -> Result<Reading, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?;
        let (session, server) = match self.session.take() {
            Some((session, server)) if !session.is_closed() => (session, server),
            _ => {
                let session = database.connect(address).await?;
                let who = session.who_am_i().await?;
                let instance = who.instance.as_deref().map(InstanceId::from);
                (session, Server { instance, address: who.address })
            }
        };
        let view = self.read(&session, &server).await?;
        self.session = Some((session, server));
        Ok(Reading::Statements(view))
    }

    /// What the statements cost since the look before, on that server.
    async fn read(&mut self, session: &Session, server: &Server) -> Result<StatementsView, Trouble> {
        let ids: Vec<i64> = self.ran.keys().copied().collect();
        let counters = session.statements(READ, &ids).await?;
        if counters.in_recovery {
            let message = "whoever answers at the writer endpoint is a reader now: the writer is moving";
            return Err(Trouble::new("SELECT … FROM pg_stat_statements", TroubleKind::Unreachable, message));
        }
        let before = self.before.replace((server.clone(), counters.clone()));
        let mut view = costs(before.as_ref(), server, &counters);
        self.remember(&view);
        view.rows = told(view.rows);
        self.read_texts(session, &view, &counters).await;
        self.texts.write_into(&mut view, self.looks);
        Ok(view)
    }

    /// Notes what ran, so that it is read again whatever it cost in all.
    fn remember(&mut self, view: &StatementsView) {
        self.looks += 1;
        for row in &view.rows {
            self.ran.insert(row.key.id, self.looks);
        }
        if self.ran.len() > RAN {
            let mut looks: Vec<u64> = self.ran.values().copied().collect();
            looks.sort_unstable_by(|one, two| two.cmp(one));
            let oldest = looks[RAN - 1];
            self.ran.retain(|_, look| *look >= oldest);
        }
        if self.ran.len() > RAN {
            // All of one look: the costliest ones stay.
            self.ran = view.rows.iter().take(RAN).map(|row| (row.key.id, self.looks)).collect();
        }
    }

    /// Reads texts where one that is told is not known, if it is time again. That they could not be read is no trouble of
    /// the counters': the statements are told by their ids meanwhile.
    async fn read_texts(&mut self, session: &Session, view: &StatementsView, counters: &StatementCounters) {
        let begun = Instant::now();
        let unknown = |id: &i64| !self.texts.known.contains_key(id);
        let wanted = view.rows.iter().map(|row| row.key.id).any(|id| unknown(&id));
        if !wanted && self.texts.due.is_some() || self.texts.due.is_some_and(|due| begun < due) {
            return;
        }
        let told = view.rows.iter().map(|row| row.key.id);
        let mut ids: Vec<i64> = told.chain(counters.statements.iter().map(|statement| statement.id)).collect();
        ids.retain(unknown);
        ids.truncate(usize::from(READ));
        match session.statement_texts(&ids).await {
            Ok(texts) => self.texts.learn(texts),
            Err(trouble) => tracing::info!(partition = %self.partition, %trouble, "texts of statements"),
        }
        self.texts.due = Some(Instant::now() + begun.elapsed() * TEXTS_PAUSE);
    }
}

impl Texts {
    fn learn(&mut self, texts: Vec<StatementText>) {
        if self.known.len() > TEXTS {
            self.known.clear();
            self.told.clear();
        }
        for text in texts {
            self.known.insert(text.id, text);
        }
    }

    /// Writes the texts beside the figures, where they were not told lately, and counts the cockpit's own apart.
    fn write_into(&mut self, view: &mut StatementsView, look: u64) {
        for row in &mut view.rows {
            let Some(text) = self.known.get(&row.key.id) else { continue };
            (row.left_out, row.own) = (text.left_out, text.own);
            let last = self.told.get(&row.key.id);
            if last.is_none_or(|last| look >= last + TOLD_AGAIN) {
                row.query = Some(text.text.clone());
                self.told.insert(row.key.id, look);
            }
        }
        let own = view.rows.iter().filter(|row| row.own && !row.key.nested);
        view.own_ms = own.map(|row| row.ms).sum();
        view.busy_ms = (view.busy_ms - view.own_ms).max(0.0);
    }
}

/// What the statements cost between two readings of their counters; whose they are and what they say is not looked at.
fn costs(before: Option<&(Server, StatementCounters)>, server: &Server, now: &StatementCounters) -> StatementsView {
    let mut view = StatementsView {
        instance: server.instance.clone(),
        role: now.role.clone(),
        interval: None,
        reset: None,
        since: now.reset.map_or(now.started, |reset| reset.max(now.started)),
        total: now.total,
        evictions: now.evictions,
        hidden: now.hidden,
        hidden_ms: 0.0,
        busy_ms: 0.0,
        own_ms: 0.0,
        rows: Vec::new(),
    };
    let Some((other, before)) = before else { return view };
    view.reset = match () {
        () if other != server => Some(CounterReset::OtherInstance),
        () if before.started != now.started => Some(CounterReset::Restarted),
        () if before.reset != now.reset => Some(CounterReset::Reset),
        () => None,
    };
    let interval = Duration::try_from(now.at.duration_since(before.at)).unwrap_or_default();
    if view.reset.is_some() || interval.is_zero() {
        return view;
    }
    view.interval = Some(interval);
    let earlier: HashMap<StatementKey, &Statement> = before.statements.iter().map(|each| (key(each), each)).collect();
    // What was not among those read before is new only if all were read.
    let all_were_read = before.total <= u64::from(READ);
    let rows = now.statements.iter().filter_map(|later| match earlier.get(&key(later)) {
        Some(earlier) => cost(later, Some(earlier)),
        None if all_were_read => cost(later, None),
        None => None,
    });
    view.rows = rows.collect();
    view.rows.sort_by(|one, two| two.ms.total_cmp(&one.ms).then_with(|| one.key.cmp(&two.key)));
    view.hidden_ms = (now.hidden_ms - before.hidden_ms).max(0.0);
    // An eviction takes its time out of the sum: what is seen of the statements themselves holds then.
    let seen: f64 = view.rows.iter().filter(|row| !row.key.nested).map(|row| row.ms).sum();
    view.busy_ms = (seen + view.hidden_ms).max(now.total_ms - before.total_ms);
    view
}

fn key(statement: &Statement) -> StatementKey {
    StatementKey { id: statement.id, nested: statement.nested }
}

/// A statement's cost in the interval; none if it did not run. An entry that was evicted and made anew counts from zero: all
/// of what it counts is of this interval.
fn cost(later: &Statement, earlier: Option<&Statement>) -> Option<StatementCost> {
    let earlier = earlier.filter(|earlier| earlier.calls <= later.calls && earlier.total_ms <= later.total_ms);
    let grown = |of: fn(&Statement) -> i64| (of(later) - earlier.map_or(0, of)).max(0);
    let calls = grown(|statement| statement.calls);
    (calls > 0).then(|| StatementCost {
        key: key(later),
        query: None,
        left_out: 0,
        own: false,
        calls,
        ms: later.total_ms - earlier.map_or(0.0, |earlier| earlier.total_ms),
        rows: grown(|statement| statement.rows),
        hit: grown(|statement| statement.hit),
        read: grown(|statement| statement.read),
    })
}

/// Those that lead by time, and those that lead by what else they can be sorted by; the costliest first.
fn told(rows: Vec<StatementCost>) -> Vec<StatementCost> {
    let (by_time, by_other) = TOLD;
    let mut places: BTreeMap<usize, ()> = (0..rows.len().min(by_time)).map(|place| (place, ())).collect();
    let figures: [fn(&StatementCost) -> f64; 3] = [calls, StatementCost::rows_per_call, StatementCost::ms_per_call];
    for figure in figures {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|one, two| figure(&rows[*two]).total_cmp(&figure(&rows[*one])));
        places.extend(order.into_iter().take(by_other).map(|place| (place, ())));
    }
    rows.into_iter().enumerate().filter(|(place, _)| places.contains_key(place)).map(|(_, row)| row).collect()
}

#[allow(clippy::cast_precision_loss, reason = "differences of counters stay far below 2^53")]
fn calls(row: &StatementCost) -> f64 {
    row.calls as f64
}

#[cfg(test)]
mod tests;
