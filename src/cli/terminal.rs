//! The terminal on the screen: what a program prints, on its way to the emulator. It only reads.

use std::path::Path;

use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app::terminal::ProgramEnd;
use crate::app::update::{Effect, Message};
use crate::clients::program::{Program, State};

/// What is attached to: one program at a time.
pub(super) struct Attachment {
    messages: mpsc::UnboundedSender<Message>,
    follower: Option<JoinHandle<()>>,
}

impl Attachment {
    pub fn new(messages: mpsc::UnboundedSender<Message>) -> Self {
        Self { messages, follower: None }
    }

    /// Carries out what concerns the terminal and changes nothing outside; another effect is not for it.
    pub fn follow(&mut self, effect: &Effect) {
        match effect {
            Effect::Attach { attachment, directory } => {
                self.detach();
                self.follower = Some(tokio::spawn(follow(*attachment, directory.clone(), self.messages.clone())));
            }
            Effect::Detach => self.detach(),
            _ => {}
        }
    }

    fn detach(&mut self) {
        if let Some(follower) = self.follower.take() {
            follower.abort();
        }
    }
}

/// Hands over a program's output from its beginning, and then its end.
async fn follow(attachment: u64, directory: String, messages: mpsc::UnboundedSender<Message>) {
    let Some(program) = Program::find(Path::new(&directory)) else {
        let end = ProgramEnd { how: format!("nothing is kept in {directory}"), well: false };
        let _ = messages.send(Message::ProgramEnded { attachment, end });
        return;
    };
    let mut output = Box::pin(program.follow(0));
    while let Some(chunk) = output.next().await {
        if messages.send(Message::Output { attachment, bytes: chunk.bytes }).is_err() {
            return;
        }
    }
    let end = match program.state() {
        State::Exited(ended) => ProgramEnd { how: ended.to_string(), well: ended.is_success() },
        State::Running { .. } | State::Lost => {
            ProgramEnd { how: "its terminal is gone and left no exit code".to_owned(), well: false }
        }
    };
    let _ = messages.send(Message::ProgramEnded { attachment, end });
}
