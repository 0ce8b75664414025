//! How a session ends: whoever holds it hears of it at once, without asking.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::trouble;
use crate::clients::{Trouble, TroubleKind};

/// The end of a session.
#[derive(Debug, Clone)]
pub struct Ended {
    /// When it was noticed.
    pub at: Instant,
    /// How long ago it may have ended, because the other side said nothing any more. Zero where that ended it.
    pub unheard: Duration,
    /// Why.
    pub trouble: Trouble,
}

/// Drives a connection to its end in a task of its own, and tells of it.
pub fn watched<E>(connection: E, unheard: Duration) -> watch::Receiver<Option<Ended>>
where
    E: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let (ended, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let how = connection.await;
        let at = Instant::now();
        let how = of(how, at, unheard);
        // Nobody may hold the session any more.
        let _ = ended.send(Some(how));
    });
    receiver
}

fn of(how: Result<(), tokio_postgres::Error>, at: Instant, unheard: Duration) -> Ended {
    const CALL: &str = "session";
    match how {
        Ok(()) => {
            let trouble = Trouble::new(CALL, TroubleKind::NoAnswer, "the server closed the connection");
            Ended { at, unheard: Duration::ZERO, trouble }
        }
        Err(error) => {
            // The network gave up on a host that said nothing any more; whoever else ends a session does so at that moment.
            let unheard = if timed_out(&error) { unheard } else { Duration::ZERO };
            Ended { at, unheard, trouble: trouble::while_asking(CALL, error) }
        }
    }
}

fn timed_out(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
