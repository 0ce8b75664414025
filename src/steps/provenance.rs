//! Where something comes from that was there before this run: what the journals of the other runs say.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::context::Look;
use crate::journal;
use crate::runbook::event::Event;

/// How far the time of a call, by this machine's clock, may be from the time that AWS gives to what the call made.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);

/// The other run of this state directory that sent the call of that key at about that time; none where no journal tells.
pub(super) async fn run_that_asked(look: &Look, key: &str, at: Option<Timestamp>) -> Option<String> {
    let (own, key, at) = (look.run_dir.clone(), key.to_owned(), at?);
    // A directory of long journals takes a moment to read, and the screen must not wait for it.
    tokio::task::spawn_blocking(move || find(&own, &key, at)).await.ok().flatten()
}

fn find(own: &Path, key: &str, at: Timestamp) -> Option<String> {
    let state_dir: PathBuf = own.parent()?.parent()?.to_owned();
    let runs = journal::runs::runs(&state_dir).ok()?;
    let others = runs.into_iter().filter(|run| run.directory != own);
    others.into_iter().find(|run| asked(&run.journal(), key, at)).map(|run| run.id)
}

/// A journal that cannot be read tells nothing; whoever opens that run hears of it.
fn asked(path: &Path, key: &str, at: Timestamp) -> bool {
    let Ok(contents) = journal::read(path) else { return false };
    let near = |entry: &&journal::Entry| entry.at().duration_since(at).abs() <= CLOCKS;
    let is_it = |event| matches!(event, Event::Intent { action, .. } if action.key == key);
    contents.entries.iter().filter(near).filter_map(|entry| entry.event().ok()).any(is_it)
}
