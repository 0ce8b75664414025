//! Taking a run over from the session that holds it, on purpose.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::SessionError;
use crate::journal::takeover::Request;
use crate::journal::{self, Owner};

/// How long the holder may take to hear of the request; it listens four times a second.
const HEARING: Duration = Duration::from_secs(10);
/// How long it may take to let go, once it has heard: it finishes what it is sending and removes its bastions.
const LETTING_GO: Duration = Duration::from_secs(120);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// Has the holder of the run in `run_dir` hand it over; `from` is the holder's name, as whoever takes it over knows it.
/// Returns once nobody holds the run any more; at once where nobody does.
///
/// # Errors
/// Where somebody else holds it than was said, or the holder does not hand it over. Nothing has changed then.
pub async fn take_over(run_dir: &Path, operator: &str, from: &str) -> Result<(), SessionError> {
    ask(run_dir, operator, from, (HEARING, LETTING_GO)).await
}

async fn ask(
    run_dir: &Path,
    operator: &str,
    from: &str,
    (hearing, letting_go): (Duration, Duration),
) -> Result<(), SessionError> {
    let Some(holder) = journal::lock::holder(run_dir) else { return Ok(()) };
    let not = |why: String| Err(SessionError::NotHandedOver(why));
    match &holder.0 {
        Some(owner) if owner.operator != from => return not(format!("it is not {from} who holds them, but {holder}")),
        Some(_) => {}
        None => return not("it is not known yet who holds them: another session is only just beginning".to_owned()),
    }
    let request = Request::leave(run_dir, &Owner::here(operator))?;
    let asked = Instant::now();
    loop {
        if journal::lock::holder(run_dir).is_none() {
            return Ok(());
        }
        let waited = asked.elapsed();
        if waited > hearing && !request.is_accepted() && request.withdraw() {
            return not(format!(
                "{holder} has not answered within {} s, and was left alone. If its process hangs, end it there: what it \
                 fired goes on, and its lock ends with it",
                hearing.as_secs()
            ));
        }
        if waited > letting_go {
            return not(format!(
                "{holder} has heard of it, and still finishes what it is sending. Try again in a minute: it lets go as \
                 soon as the answer is there"
            ));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::lock::OperatorLock;
    use crate::journal::takeover::asked;

    /// Patience that a test has.
    const SHORT: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(600));
    const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(60));

    fn held_by(operator: &str) -> (tempfile::TempDir, OperatorLock) {
        let run = tempfile::tempdir().expect("a directory");
        let lock = OperatorLock::take(run.path(), Owner::here(operator)).expect("the lock");
        (run, lock)
    }

    #[tokio::test]
    async fn a_holder_that_does_not_answer_is_left_alone() {
        let (run, _lock) = held_by("ada");
        let error = ask(run.path(), "bob", "ada", SHORT).await.expect_err("nobody listens");
        assert!(error.to_string().contains("has not answered within 0 s, and was left alone"), "{error}");
        assert!(asked(run.path()).is_none(), "and is not asked any more");
        assert!(journal::lock::holder(run.path()).is_some(), "it holds the run still");
    }

    #[tokio::test]
    async fn a_holder_that_does_not_let_go_keeps_the_run() {
        let (run, _lock) = held_by("ada");
        let heard = async {
            while !asked(run.path()).is_some_and(|asked| asked.accept()) {
                sleep(LOOK).await;
            }
        };
        let (taken, ()) = tokio::join!(ask(run.path(), "bob", "ada", SHORT), heard);
        let error = taken.expect_err("it sends something still");
        assert!(error.to_string().contains("still finishes what it is sending"), "{error}");
        assert!(journal::lock::holder(run.path()).is_some());
    }

    #[tokio::test]
    async fn a_run_that_is_let_go_can_be_had_and_one_that_nobody_holds_at_once() {
        let (run, lock) = held_by("ada");
        let hands_over = async {
            while !asked(run.path()).is_some_and(|asked| asked.accept()) {
                sleep(LOOK).await;
            }
            drop(lock);
        };
        let (taken, ()) = tokio::join!(ask(run.path(), "bob", "ada", LONG), hands_over);
        taken.expect("handed over");
        take_over(run.path(), "bob", "anybody").await.expect("nobody holds it");
    }

    #[tokio::test]
    async fn it_is_taken_only_from_whom_one_means() {
        let (run, _lock) = held_by("ada");
        let error = take_over(run.path(), "bob", "cyd").await.expect_err("cyd does not hold it");
        assert!(error.to_string().contains("it is not cyd who holds them, but ada on "), "{error}");
        assert!(!run.path().join("takeover").exists(), "ada is not even asked");
    }
}
