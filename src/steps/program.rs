//! A step's program: started once in a terminal of its own, followed to its end, taken up again after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use super::act::{Act, Acted, Looked};
use super::context::{Noting, Stop};
use super::diagnosis;
use super::voice::Said;
use crate::clients::known;
use crate::clients::program::{Chunk, Ended, Program, Spec, State};
use crate::clock;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Action, Call, Event, Finding, Outcome};
use crate::runbook::ink::{Painted, Painter};
use crate::runbook::text;

/// Longest line that is waited for, in bytes: a longer one is shown in pieces, so that memory stays small.
const LONGEST_LINE: usize = 64 * 1024;

/// What was seen just before a program was started.
pub(super) type Before = BTreeMap<String, String>;

/// Starts the program of this attempt, or takes it up again, and follows it to its end. What was seen before is kept with
/// its intent.
///
/// # Errors
/// If it cannot be started, its end was not written down, or the session ends; the program goes on then.
pub(super) async fn run(act: &mut Act, spec: &Spec, before: Before, silence: Duration) -> Result<Ended, Stop> {
    announce(act, spec).await?;
    let directory = directory(act);
    let program = started(act, spec, before, directory).await?;
    let mut following = Following::new(&program, &spec.program, silence);
    loop {
        match following.next(act).await? {
            Heard::Lines => {}
            Heard::Silence => act.say(following.silence().cause),
            Heard::End => return end(act, spec, &program).await,
        }
    }
}

/// Starts the program of this attempt, or finds it where a former session started it.
///
/// # Errors
/// If it cannot be started.
pub(super) async fn begin(act: &mut Act, spec: &Spec) -> Result<Program, Stop> {
    let directory = directory(act);
    announce(act, spec).await?;
    started(act, spec, Before::new(), directory).await
}

/// Writes down how the program ended.
///
/// # Errors
/// If that is not known.
pub(super) async fn end(act: &mut Act, spec: &Spec, program: &Program) -> Result<Ended, Stop> {
    match program.state() {
        State::Exited(ended) => {
            let verdict = if ended.is_success() { Verdict::Passed } else { Verdict::Failed };
            act.check(exit(spec, verdict).seeing(how(&ended))).await?;
            Ok(ended)
        }
        State::Running { .. } | State::Lost => Err(lost(act, spec, &program.output_file())),
    }
}

/// Says that the program's end is awaited, before everything that is looked at afterwards.
///
/// # Errors
/// If it cannot be written.
pub(super) async fn announce(act: &mut Act, spec: &Spec) -> Result<(), Stop> {
    let known = act.attempt.checks.iter().any(|check| check.id == "exit");
    if known { Ok(()) } else { act.check(exit(spec, Verdict::Pending)).await }
}

fn exit(spec: &Spec, verdict: Verdict) -> Check {
    Check::new("exit", format!("{} exits 0", spec.program), &spec.program, verdict)
}

/// How a program ended, in a few words.
pub(super) fn how(ended: &Ended) -> String {
    ended.to_string()
}

/// The program's last lines that say something, for evidence.
pub(super) fn last_words(program: &Program, most: usize) -> Vec<String> {
    let lines = program.lines();
    let told: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    told[told.len().saturating_sub(most)..].to_vec()
}

/// As [`last_words`], of this attempt's program; nothing where it was not started.
pub(super) fn last_output(act: &Act, most: usize) -> Vec<String> {
    Program::find(&directory(act)).map(|program| last_words(&program, most)).unwrap_or_default()
}

/// Where the files of this attempt's program are.
pub(super) fn directory(act: &Act) -> PathBuf {
    let name = format!("{}-{}-{}", act.partition.name, act.step.id, act.attempt.number);
    act.run_dir.join("programs").join(name)
}

async fn started(act: &mut Act, spec: &Spec, before: Before, directory: PathBuf) -> Result<Program, Stop> {
    let call = Call {
        operation: spec.program.clone(),
        target: spec.directory.display().to_string(),
        command_line: spec.command_line(),
    };
    let action = Action { key: format!("run {}", spec.program), call, before };
    let (here, to_start) = (directory.clone(), spec.clone());
    let looked = || async {
        Ok(match Program::find(&directory) {
            Some(_) => Looked::Done("its terminal is there".to_owned()),
            // Nobody but this session could have started it since, so there is nothing to wait for.
            None => Looked::Undone("no terminal was made for it".to_owned()),
        })
    };
    let acted = act
        .act(action, looked, |controls| async move { Program::start(&controls, &here, &to_start).await.map(|_| None) })
        .await?;
    if let Acted::Refused(trouble) = acted {
        let finding = Finding::unknown(format!("{} could not be started", spec.program))
            .because(Evidence::now("cockpit", trouble.to_string()))
            .meaning("nothing was done");
        return Err(diagnosis::with_guide(act, finding).into());
    }
    if act.attempt.program.is_none() {
        let (step, attempt) = act.here();
        let directory = directory.display().to_string();
        let command_line = spec.command_line();
        act.recorder.record(Event::ProgramStarted { step, attempt, directory, command_line }).await?;
    }
    Program::find(&directory).ok_or_else(|| lost(act, spec, &directory.join("output")))
}

/// A program whose lines are shown as they come.
pub(super) struct Following {
    name: String,
    output: Pin<Box<dyn Stream<Item = Chunk> + Send>>,
    /// What came after the last line's end: it waits for the rest of its line.
    rest: Vec<u8>,
    /// The colour that holds from line to line.
    painter: Painter,
    last: String,
    patience: Duration,
    silent_at: Instant,
    /// Where all of its output is.
    file: PathBuf,
    /// Lines for which there was no room since the last one that was shown.
    passed_over: usize,
}

/// What was heard of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It printed something.
    Lines,
    /// It has printed nothing for a while: a prompt may be waiting in it.
    Silence,
    /// It has ended.
    End,
}

impl Following {
    /// Follows a program from its first line on.
    pub(super) fn new(program: &Program, name: &str, patience: Duration) -> Self {
        Self {
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            output: Box::pin(program.follow(0)),
            rest: Vec::new(),
            painter: Painter::default(),
            last: String::new(),
            patience,
            silent_at: Instant::now() + patience,
            file: program.directory().join("output"),
            passed_over: 0,
        }
    }

    /// Waits for what is heard next, and shows it.
    ///
    /// # Errors
    /// If the session ends; the program goes on then.
    pub(super) async fn next(&mut self, act: &Noting) -> Result<Heard, Stop> {
        tokio::select! {
            // What was printed while this process was stopped goes before its silence.
            biased;
            () = act.cancel.cancelled() => Err(Stop::Session),
            chunk = self.output.next() => {
                self.silent_at = Instant::now() + self.patience;
                let Some(chunk) = chunk else {
                    let rest = std::mem::take(&mut self.rest);
                    self.tell(act, &rest);
                    return Ok(Heard::End);
                };
                self.take(act, &chunk.bytes);
                Ok(Heard::Lines)
            }
            () = sleep_until(self.silent_at) => {
                self.silent_at = Instant::now() + self.patience;
                Ok(Heard::Silence)
            }
        }
    }

    /// Whole lines only, as far as they are not gigantic.
    fn take(&mut self, act: &Noting, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n');
        let too_long = self.rest.len().checked_sub(1).filter(|last| *last >= LONGEST_LINE);
        let Some(end) = end.or(too_long) else { return };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        if let Some(last) = self.tell(act, &lines) {
            self.last = last;
        }
    }

    /// Shows lines; answers the last one.
    fn tell(&mut self, act: &Noting, bytes: &[u8]) -> Option<String> {
        let mut last = None;
        for line in self.painter.lines(&String::from_utf8_lossy(bytes)) {
            let partition = act.partition.name.clone();
            let Painted { text, stretches } = masked(line);
            last = Some(text.clone());
            let said = Said { partition, source: self.name.clone(), text, stretches, at: clock::now() };
            self.pass_on(act, said);
        }
        last
    }

    /// Shows a line if there is room. A program that prints faster than anybody reads loses lines here, and is told so;
    /// all of them are in its file.
    fn pass_on(&mut self, act: &Noting, said: Said) {
        if !act.say.pass_on(said) {
            self.passed_over += 1;
        } else if self.passed_over > 0 {
            let lines = std::mem::take(&mut self.passed_over);
            act.say(format!(
                "{lines} lines of {} came too fast to be shown; they are in {}",
                self.name,
                self.file.display()
            ));
        }
    }

    /// What is said of its silence.
    pub(super) fn silence(&self) -> Finding {
        let (name, seconds) = (&self.name, self.patience.as_secs());
        let prompt = known::hide(&text::clean(&String::from_utf8_lossy(&self.rest)));
        let stands = match prompt.trim() {
            "" => format!("silent since \"{}\"", self.last.trim()),
            prompt => format!("silent; it stands at \"{prompt}\""),
        };
        Finding::of("prompt-hidden", format!("{name} has printed nothing for {seconds} s: a prompt may be waiting"))
            .because(Evidence::now(name, stands))
            .meaning("it goes on as soon as the prompt is answered, or fails when 1Password gives up")
            .way_out("look at its terminal and answer there; look for a prompt of 1Password's on the desktop")
    }
}

/// A line without what looks like a secret: scripts print them. A line that was masked has lost its colours' places.
fn masked(line: Painted) -> Painted {
    let text = known::hide(&line.text);
    let stretches = if text == line.text { line.stretches } else { Vec::new() };
    Painted { text, stretches }
}

fn lost(act: &Act, spec: &Spec, output: &Path) -> Stop {
    let finding = Finding::unknown(format!("it is not known how {} ended", spec.program))
        .because(Evidence::now(
            "cockpit",
            "its terminal is gone and left no exit code: the machine was restarted, perhaps",
        ))
        .meaning("part of its work may be done")
        .way_out(format!("read {}, look at the site, then try again", output.display()));
    Stop::Outcome(Box::new(Outcome::Unknown { finding: diagnosis::with_guide(act, finding) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_is_shown_without_its_secrets() {
        let mut painter = Painter::default();
        let mut line = |raw: &str| masked(painter.lines(raw).pop().expect("a line"));
        let line_with_secret = line("\x1b[32mexport PGPASSWORD=hunter22\x1b[0m done\n");
        assert_eq!(line_with_secret.text, "export PGPASSWORD=•••••• done");
        assert_eq!(line_with_secret.stretches, [], "its colours would stand at other words");
        assert_eq!(line("\x1b[32mok\x1b[0m\n").stretches.len(), 1);
    }
}
