//! What feeds an operator's screen: the session's own events and samples, and after a hand-over what a monitor sees.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::monitor::follow_run;
use crate::app::update::Message;
use crate::journal::Follow;
use crate::journal::directory::JOURNAL;
use crate::runbook::event::{Event, Record};
use crate::runbook::plan::Plan;
use crate::session;
use crate::session::{News, Session};
use crate::watch::{Cadence, Near, Pacing, Sample};

/// What feeds an operator's screen.
pub(super) struct Feed {
    plan: Arc<Plan>,
    near: watch::Receiver<Near>,
    journal: PathBuf,
    messages: mpsc::UnboundedSender<Message>,
}

impl Feed {
    pub fn of(session: &Session, messages: mpsc::UnboundedSender<Message>) -> Self {
        let (near, journal) = (session.near.subscribe(), session.run_dir().join(JOURNAL));
        Self { plan: session.plan().clone(), near, journal, messages }
    }

    /// Hands on what the session tells, and goes on with the journal and with watchers of its own once it was handed over.
    pub fn start(
        self,
        mut records: mpsc::UnboundedReceiver<Record>,
        news: mpsc::UnboundedReceiver<News>,
        mut seen: mpsc::Receiver<Sample>,
    ) -> (mpsc::UnboundedReceiver<Record>, mpsc::Receiver<Sample>) {
        let (to_screen, on_screen) = mpsc::unbounded_channel();
        let (out, samples) = mpsc::channel(session::SAMPLES);
        tokio::spawn(tell(news, self.messages.clone()));
        let sees = out.clone();
        tokio::spawn(async move {
            while let Some(sample) = seen.recv().await {
                if sees.send(sample).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            while let Some(record) = records.recv().await {
                let (seq, handed_over) = (record.seq, matches!(record.event, Event::HandedOver { .. }));
                if to_screen.send(record).is_err() {
                    return;
                }
                if handed_over {
                    return self.look_on(seq, to_screen, out).await;
                }
            }
        });
        (on_screen, samples)
    }

    /// As a monitor does, from that record on.
    async fn look_on(self, seq: u64, to_screen: mpsc::UnboundedSender<Record>, out: mpsc::Sender<Sample>) {
        let (_cadence, pace) = watch::channel(Cadence::default());
        let (accounts, databases) = (Arc::default(), Arc::default());
        let (plan, cancel) = (self.plan, CancellationToken::new());
        let pacing = Pacing { cadence: pace, near: Some(self.near) };
        let _watchers = crate::watch::start(plan, accounts, databases, out, pacing, false, cancel);
        follow_run(Follow::new(self.journal, seq), to_screen, self.messages).await;
    }
}

/// Says at once what other sessions do.
async fn tell(mut news: mpsc::UnboundedReceiver<News>, messages: mpsc::UnboundedSender<Message>) {
    while let Some(news) = news.recv().await {
        if messages.send(Message::Notice(news.to_string())).is_err() {
            return;
        }
    }
}
