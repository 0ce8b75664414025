#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::holder::HoldArgs;
use super::*;
use crate::journal::lock::{OperatorLock, Owner};

/// Not a test of its own: the process that the tests below start as their holder.
#[test]
#[ignore = "the holder process of other tests"]
fn hold() {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: HoldArgs,
    }
    let words: Vec<String> = std::env::args().skip_while(|word| word != "hold").collect();
    assert!(!words.is_empty(), "started by hand");
    std::process::exit(holder::main(&Line::parse_from(words).args));
}

/// Not a test of its own: a cockpit that starts a program and is then killed.
#[tokio::test]
#[ignore = "the starter process of other tests"]
async fn start_and_hang() {
    let directory = std::env::var("PROGRAM_DIRECTORY").unwrap();
    let script = std::env::var("PROGRAM_SCRIPT").unwrap();
    let _program = start(Path::new(&directory), &script).await.unwrap();
    std::future::pending::<()>().await;
}

/// This test binary, running one of the entries above.
fn entry(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", &format!("clients::program::tests::{name}"), "--"]);
    command
}

fn controls(directory: &Path) -> Controls {
    std::fs::create_dir_all(directory).unwrap();
    Controls::take(OperatorLock::take(directory, Owner::here("tester")).unwrap())
}

async fn start(directory: &Path, script: &str) -> Result<Program, Trouble> {
    let mut holder = entry("hold");
    holder.arg("hold");
    let spec = Spec::new("sh", &["-c".to_owned(), script.to_owned()], "/");
    Program::start_by(holder, &controls(&directory.join("run")), &directory.join("program"), &spec).await
}

/// Waits until what it looks for is there.
async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "it never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ended(state: State) -> Ended {
    match state {
        State::Exited(ended) => ended,
        other => panic!("it has not ended: {other:?}"),
    }
}

#[tokio::test]
async fn output_exit_code_and_command_line_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let program =
        start(directory.path(), "printf '\\033[1mbold\\033[0m\\n'; pwd; echo DSN https://a1@x.sentry.io/1; exit 7")
            .await
            .unwrap();
    let end = ended(program.wait().await);
    assert_eq!((end.code, end.signal.as_deref(), end.output_lost), (Some(7), None, false));
    assert_eq!(program.lines(), ["bold", "/", "DSN https://••••••@x.sentry.io/1"]);
    let started = program.started().unwrap();
    assert!(started.command_line.starts_with("sh -c "), "{}", started.command_line);
    assert!(started.at <= end.at);
}

#[tokio::test]
async fn it_has_a_terminal_of_the_size_that_was_asked_for_and_takes_keys() {
    let directory = tempfile::tempdir().unwrap();
    let script = "test -t 0 && test -t 1 && echo terminal; stty size; read line; echo got $line; stty size";
    let program = start(directory.path(), script).await.unwrap();
    until(|| program.lines().iter().any(|line| line == "40 160").then_some(())).await;
    program.resize(24, 80).unwrap();
    program.type_in(&controls(&directory.path().join("other")), b"word\r").unwrap();
    assert!(ended(program.wait().await).is_success());
    let lines = program.lines();
    assert_eq!(lines[0], "terminal");
    assert!(lines.contains(&"got word".to_owned()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "24 80");
}

#[tokio::test]
async fn it_can_be_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(directory.path(), "echo ready; exec sleep 600").await.unwrap();
    until(|| program.lines().iter().any(|line| line == "ready").then_some(())).await;
    program.interrupt(&controls(&directory.path().join("other"))).unwrap();
    assert_eq!(ended(program.wait().await).signal.as_deref(), Some("Interrupt"));
}

#[tokio::test]
async fn followers_get_everything_once_from_where_they_begin() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(directory.path(), "for i in 1 2 3 4; do echo line $i; sleep 0.1; done").await.unwrap();
    let whole: Vec<Chunk> = program.follow(0).collect().await;
    let text = whole.iter().flat_map(|chunk| chunk.bytes.clone()).collect::<Vec<u8>>();
    assert_eq!(String::from_utf8_lossy(&text), "line 1\r\nline 2\r\nline 3\r\nline 4\r\n");
    assert!(whole.windows(2).all(|two| two[0].offset + two[0].bytes.len() as u64 == two[1].offset));
    let tail: Vec<Chunk> = program.follow(8 * 3).collect().await;
    assert_eq!(tail, [Chunk { offset: 24, bytes: b"line 4\r\n".to_vec() }]);
}

#[tokio::test]
async fn it_lives_on_when_its_starter_is_killed_and_is_taken_up_again() {
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let script = format!("echo one; until test -e {}; do sleep 0.05; done; echo two; exit 3", go.display());
    let mut starter = entry("start_and_hang")
        .env("PROGRAM_DIRECTORY", directory.path())
        .env("PROGRAM_SCRIPT", &script)
        .spawn()
        .unwrap();
    let program = until(|| Program::find(&directory.path().join("program"))).await;
    until(|| (program.lines() == ["one"]).then_some(())).await;
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(matches!(program.state(), State::Running { pid: Some(_) }));
    std::fs::write(&go, "").unwrap();
    assert_eq!(ended(program.wait().await).code, Some(3));
    assert_eq!(program.lines(), ["one", "two"]);
}

#[tokio::test]
async fn a_cockpit_that_was_killed_before_it_had_a_holder_has_started_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().join("program");
    std::fs::create_dir(&here).unwrap();
    // The lock is made before the holder is; whoever held it is gone, and nobody has begun anything under it.
    std::fs::write(here.join("held"), "").unwrap();
    // A holder that was killed before it began leaves its socket as well.
    drop(std::os::unix::net::UnixListener::bind(here.join("input.sock")).unwrap());
    assert!(Program::find(&here).is_none());
    let program = start(directory.path(), "read line; echo $line").await.unwrap();
    assert_eq!(program.directory(), here);
    program.type_in(&controls(&directory.path().join("other")), b"begun\n").unwrap();
    assert_eq!(ended(program.wait().await).code, Some(0));
    assert!(program.lines().contains(&"begun".to_owned()), "{:?}", program.lines());
    let again = start(directory.path(), "true").await.unwrap_err();
    assert!(again.to_string().contains("was started in"), "{again}");
}

#[tokio::test]
async fn a_killed_holder_is_lost_and_takes_its_program_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(directory.path(), "echo $PPID; exec sleep 600").await.unwrap();
    let holder: i32 = until(|| program.lines().first()?.parse().ok()).await;
    let State::Running { pid: Some(pid) } = program.state() else { panic!("it does not run") };
    let kill = |pid| {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
    };
    kill(holder).unwrap();
    assert_eq!(program.wait().await, State::Lost);
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    until(|| rustix::process::test_kill_process(pid).is_err().then_some(())).await;
}

#[tokio::test]
async fn what_is_left_behind_in_the_background_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let program = start(directory.path(), "trap '' HUP; sleep 30 & echo left $!").await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(10), program.wait()).await.unwrap();
    assert!(ended(end).is_success());
    let left: i32 = program.lines()[0].strip_prefix("left ").unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(left).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}

#[tokio::test]
async fn a_directory_is_used_once() {
    let directory = tempfile::tempdir().unwrap();
    start(directory.path(), "true").await.unwrap().wait().await;
    let trouble = start(directory.path(), "true").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused);
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let directory = tempfile::tempdir().unwrap();
    for (index, (program, cwd, words)) in [
        ("no-such-program-anywhere", "/", "no-such-program-anywhere"),
        ("./amm.sh", "/", "/amm.sh because it doesn't exist"),
        ("true", "/no/such/directory", "no directory /no/such/directory"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut holder = entry("hold");
        holder.arg("hold");
        let home = directory.path().join(index.to_string());
        let spec = Spec::new(program, &[], cwd);
        let answer = Program::start_by(holder, &controls(&home.join("run")), &home.join("program"), &spec).await;
        let trouble = answer.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unreachable);
        assert!(trouble.message.contains(words), "{trouble}");
    }
}

#[tokio::test]
async fn input_reaches_a_program_whose_directory_has_a_long_name() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("x".repeat(120));
    let program = start(&long, "read line; echo got $line").await.unwrap();
    program.type_in(&controls(&long.join("other")), b"it\r").unwrap();
    program.wait().await;
    assert!(program.lines().contains(&"got it".to_owned()), "{:?}", program.lines());
}

#[tokio::test]
async fn short_programs_answer_with_code_output_and_complaint() {
    let script = "cat; echo >&2 'first'; printf >&2 '\\033[31mlast words\\033[0m\\n'; exit 4";
    let run = Capture::new("sh", ["-c", script]).input(SecretString::from("geheim\n")).run("sh test").await.unwrap();
    assert_eq!((run.code, run.is_success()), (Some(4), false));
    assert_eq!(run.trouble("sh test", TroubleKind::Refused).to_string(), "sh test: refused: exit 4: last words");
    assert!(!format!("{run:?}").contains("geheim"));
    assert_eq!(run.text(), "geheim");
    assert_eq!(run.secret().expose_secret(), "geheim");
}

#[tokio::test]
async fn a_short_program_that_hangs_is_ended() {
    let capture = Capture::new("sleep", ["600"]).timeout(Duration::from_millis(100));
    assert_eq!(capture.run("sleep").await.unwrap_err().kind, TroubleKind::NoAnswer);
}

#[tokio::test]
async fn a_missing_program_is_said_to_be_missing() {
    let trouble = Capture::new("no-such-program-anywhere", [""; 0]).run("op whoami").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    assert!(trouble.message.contains("on PATH"), "{trouble}");
}
