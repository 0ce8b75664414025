//! `run`: the cockpit, as operator.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::args::RunArgs;
use super::feed::Feed;
use super::place::{self, Place};
use super::screen::{self, Clock, Ended, Sources};
use super::terminal::Attachment;
use super::{Failure, exit, site};
use crate::app::state::{Mode, State};
use crate::app::update::{Effect, Message};
use crate::clients::program::Program;
use crate::clock;
use crate::config::paths;
use crate::journal::{approvals, sharing};
use crate::runbook::state::Run;
use crate::runbook::text::shell_word;
use crate::session::{self, Opened, Session};

pub(super) async fn run(place: &Place, args: &RunArgs) -> Result<u8, Failure> {
    if !args.only.is_empty() && !place::is_simulated() {
        return Err(Failure::refused(
            "--only is for rehearsals: on the real site each partition waits for the go-ahead of those before it",
        ));
    }
    let plan = place::only(place.plan(args.rollout.as_deref())?, &args.only)?;
    screen::check(place.theme.as_deref().or(place.settings.theme.as_deref()))?;
    let take_over = args.take_over.as_deref();
    let done = match place.open_from(plan, args.new, take_over).await {
        // Somebody else has the controls, and the site if it is simulated: then this session looks on.
        Err(failure) if failure.code == exit::REFUSED && take_over.is_none() => {
            return super::monitor::monitor(place, &super::args::MonitorArgs::default()).await;
        }
        Err(failure) => Err(failure),
        // A terminal that was closed is no end: a simulated site lives on for whoever comes back, and ends by itself if nobody
        // does.
        Ok(opened) => match operate(place, args, opened).await? {
            Ended::Cut | Ended::LookedOn => return Ok(exit::DONE),
            Ended::Left => Ok(exit::DONE),
        },
    };
    site::end_if_ours().await;
    done
}

async fn operate(place: &Place, args: &RunArgs, opened: Opened) -> Result<Ended, Failure> {
    let Opened { session, run, told, notices } = opened;
    let session = Arc::new(session);
    let rollout = run.plan.id.clone();
    let mut state = State::new(run.clone(), Mode::Operator, clock::now());
    state.user = Some(sharing::user());
    let (messages, inbox) = mpsc::unbounded_channel();
    for notice in notices {
        // The receiver is in our hands.
        let _ = messages.send(Message::Notice(notice));
    }
    session.take_up(&run).await.map_err(Failure::failed)?;
    session.near.send_replace(state.near.clone());
    let feed = Feed::of(&session, messages.clone());
    let (records, samples) = feed.start(told.records, told.news, session.watch());
    let executor = Executor { session: session.clone(), messages: messages.clone() };
    let mut attachment = Attachment::new(messages);
    let sources = Sources { messages: inbox, records, said: Some(told.said), samples, clock: Clock::Wall };
    let carry_out = |run: &Run, effect: Effect| {
        attachment.follow(&effect);
        executor.carry_out(run, effect);
    };
    let done = screen::show(state, place, sources, carry_out).await;
    // Nothing hangs on this word: a session that could not say good-bye is found by its lock.
    let _ = session.close().await;
    let ended = match done? {
        // The site, if it is ours, is in use by whoever has the run now.
        Ended::Left if session.is_handed_over() => Ended::LookedOn,
        ended => ended,
    };
    let goes_on = ended != Ended::Left || !site::is_ours();
    let unfinished = if goes_on { place.unfinished(&rollout).ok().flatten() } else { None };
    super::print(&last_words(place, args, session.run_dir(), unfinished.is_some()))?;
    Ok(ended)
}

/// Where the run is and what leads on from it, as commands that can be copied.
fn last_words(place: &Place, args: &RunArgs, run_dir: &Path, goes_on: bool) -> String {
    // What is the same without being named is not named.
    let usual = paths::state_dir().is_ok_and(|usual| usual == place.state_dir);
    let state_dir = Some(("--state-dir", place.state_dir.as_path())).filter(|_| !usual);
    let rollout = args.rollout.as_deref().map(|file| ("--rollout", file));
    let command = |name: &str, options: &[Option<(&str, &Path)>]| {
        let given =
            options.iter().flatten().map(|(option, path)| format!(" {option} {}", shell_word(&path.to_string_lossy())));
        format!("aurora-cockpit {name}{}", given.collect::<String>())
    };
    let mut words = format!("the run is in {}\n", run_dir.display());
    if goes_on {
        words += &format!("`{}` goes on with it\n", command("run", &[rollout, state_dir]));
    }
    words += &format!("`{}` writes its execution log\n", command("report", &[state_dir]));
    words
}

/// Carries out what the update wants done, each in a task of its own, so that the screen never waits.
struct Executor {
    session: Arc<Session>,
    messages: mpsc::UnboundedSender<Message>,
}

impl Executor {
    fn carry_out(&self, run: &Run, effect: Effect) {
        let (session, messages) = (self.session.clone(), self.messages.clone());
        match effect {
            Effect::Brief { step, request } => {
                let run = run.clone();
                tokio::spawn(async move {
                    let Some(look) = session.look(&run, &step).await else { return };
                    let brief = session::brief(look).await.map(Box::new).map_err(|trouble| trouble.to_string());
                    let _ = messages.send(Message::Briefed { request, brief });
                });
            }
            Effect::Fire { step, choice } => {
                let run = run.clone();
                tokio::spawn(async move {
                    if let Err(error) = session.fire(&run, &step, choice).await {
                        let _ = messages.send(Message::Refused(error.to_string()));
                    }
                });
            }
            Effect::Approve { digest } => {
                if let Err(error) = approvals::leave(session.run_dir(), &digest) {
                    let _ = messages.send(Message::Refused(error.to_string()));
                }
            }
            Effect::Nudge => session.nudge(),
            Effect::Watch(near) => {
                session.near.send_replace(near);
            }
            // Keys keep their order: a holder takes them at once.
            Effect::Type { directory, typed } => {
                if let Err(trouble) = session.type_in(Path::new(&directory), typed.bytes()) {
                    let _ = messages.send(Message::Notice(trouble.to_string()));
                }
            }
            Effect::Resize { directory, size } => {
                // A program that has just ended takes no size any more, and needs none.
                let _ = Program::find(Path::new(&directory)).map(|program| program.resize(size.rows, size.columns));
            }
            // The terminal's own; see there.
            Effect::Attach { .. } | Effect::Detach | Effect::Copy { .. } => {}
            Effect::Attention { .. } | Effect::Replay(_) => {}
            Effect::Record(event) => {
                tokio::spawn(async move {
                    if let Err(error) = session.record(*event).await {
                        let _ = messages.send(Message::Refused(error.to_string()));
                    }
                });
            }
        }
    }
}
