//! Writes through the writer endpoint, tried and taken back: how long it takes none is measured by them.

use std::time::{Duration, Instant};

use super::cadence::Pace;
use super::line::{Answer, Question, Standing};
use super::sample::{Role, Source, SqlView, WriteProbe};
use super::sql::End;
use crate::clients::Trouble;
use crate::clients::postgres::{self, Session};
use crate::runbook::names::PartitionName;

/// Time between two writes: some 33 a second, and only around a failover.
const PERIOD: Duration = Duration::from_millis(30);

/// Tries a write through the writer endpoint. It begins with a failover, and ends with a write that goes through.
#[derive(Debug)]
pub struct Writes(pub End);

impl Question for Writes {
    fn partition(&self) -> &PartitionName {
        &self.0.partition
    }

    fn source(&self) -> Source {
        Source::Writes
    }

    fn period(&self, pace: Pace) -> Option<Duration> {
        (pace == Pace::Failover).then_some(PERIOD)
    }

    async fn ready(&self) {
        let _ = self.0.place().await;
    }

    async fn dial(&self) -> Result<Session, Trouble> {
        self.0.dial().await
    }

    async fn ask(&self, mut over: Standing) -> Result<Answer, Trouble> {
        let asked = Instant::now();
        let write = over.session.write_probe().await?;
        let at = Instant::now();
        let reconnected = over.is_new;
        let taken = write == postgres::WriteProbe::Accepted;
        let mut clock = None;
        // Who it was is asked after the write: it must not make the write late.
        if reconnected && taken {
            let who = over.session.who_am_i().await?;
            clock = Some(who.clock);
            over.whose = self.0.whose(&over.session, &who).await;
            over.is_new = false;
        }
        let view = SqlView {
            instance: over.whose.clone(),
            role: if taken { Role::Writer } else { Role::Reader },
            writer: None,
            started: None,
            lag_ms: None,
            reconnected,
            write: Some(if taken { WriteProbe::Accepted } else { WriteProbe::ReadOnly }),
        };
        // A server that takes no writes is left, and the name followed anew.
        Ok(Answer { over, asked, at, view, clock, serves: taken })
    }
}
