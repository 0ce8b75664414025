//! Lines for the log, on their way to whoever shows them. Whoever speaks never waits for whoever listens.

use jiff::Timestamp;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::clock;
use crate::runbook::ink::Stretch;
use crate::runbook::names::PartitionName;

/// Lines that wait to be shown, at most: what a fast program prints in a moment. Its output is on disk in any case.
const WAITING: usize = 65_536;

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The partition it belongs to.
    pub partition: PartitionName,
    /// Who says it: a program's name.
    pub source: String,
    /// One clean line.
    pub text: String,
    /// The program's own colours in it.
    pub stretches: Vec<Stretch>,
    /// When.
    pub at: Timestamp,
}

/// What one says lines with.
#[derive(Debug, Clone)]
pub struct Voice(mpsc::Sender<Said>);

/// A voice, and what is heard of it. Nobody need be listening: a headless step has no log pane.
pub fn voice() -> (Voice, mpsc::Receiver<Said>) {
    let (sender, heard) = mpsc::channel(WAITING);
    (Voice(sender), heard)
}

impl Voice {
    /// A voice that nobody hears.
    pub fn unheard() -> Self {
        voice().0
    }

    /// Says a line of the cockpit's own. It is heard, a little later where too much waits already.
    pub fn say(&self, partition: PartitionName, text: String) {
        let said = Said { partition, source: "cockpit".to_owned(), text, stretches: Vec::new(), at: clock::now() };
        if let Err(TrySendError::Full(said)) = self.0.try_send(said) {
            let sender = self.0.clone();
            tokio::spawn(async move { sender.send(said).await });
        }
    }

    /// Passes a program's line on; whether there was room for it. Where nobody listens there is.
    pub fn pass_on(&self, said: Said) -> bool {
        !matches!(self.0.try_send(said), Err(TrySendError::Full(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Said {
        let at = Timestamp::UNIX_EPOCH;
        Said { partition: "dev".into(), source: "sh".to_owned(), text: String::new(), stretches: Vec::new(), at }
    }

    #[tokio::test]
    async fn a_program_waits_for_nobody_and_the_cockpits_own_words_are_heard() {
        let (voice, mut heard) = voice();
        assert_eq!((0..WAITING + 10).filter(|_| voice.pass_on(line())).count(), WAITING);
        voice.say("dev".into(), "stopped".to_owned());
        while heard.recv().await.expect("more").text != "stopped" {}
        drop(heard);
        assert!(voice.pass_on(line()), "nobody listens, and nothing is missed");
    }
}
