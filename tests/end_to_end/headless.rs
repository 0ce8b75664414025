//! What needs no screen: `check`, `exec`, `status`, `report`, `verify`, `config`, `completions`, `man`, `init`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Place, ROLLOUT};

#[test]
fn a_run_is_checked_fired_read_and_verified_without_a_screen() {
    let place = Place::with_site(200);
    let before = place.ledger();
    let checked = place.run(&["check", "--partition", "dev", "--output", "json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let looked = checked.json();
    let steps: Vec<_> = looked.as_array().expect("steps").iter().map(|each| each["step"].clone()).collect();
    assert_eq!(steps, ["prerequisites", "drift"]);
    assert!(!place.state().join("runs").exists(), "a check keeps no run");
    assert_eq!(place.ledger(), before, "a check changes nothing");

    let fired = place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes", "--output", "json"]);
    assert_eq!(fired.code, 0, "{fired:?}");
    // Where this machine has no browser, that is minded.
    let run = fired.json();
    let state = run["partitions"][0]["steps"][0]["state"].as_str().expect("a state");
    assert!(state.starts_with("PASSED"), "{state}");
    assert_eq!(fired.err, "", "with --output json standard error is quiet");

    let status = place.run(&["status", "--output", "json"]).json();
    assert_eq!(status["held_by"], serde_json::Value::Null);
    assert_eq!(status["partitions"].as_array().map(Vec::len), Some(4));
    let run = status["run"].as_str().expect("a run").to_owned();
    for arguments in
        [&["status"][..], &["status", &run], &["report"], &["report", &run], &["verify"], &["verify", &run]]
    {
        let said = place.run(arguments);
        assert!(said.code == 0 && said.out.contains(&run) && said.err.is_empty(), "{arguments:?}: {said:?}");
        assert!(!said.out.contains('\x1b'), "{arguments:?} writes no control sequences");
    }
    assert_eq!(place.run(&["verify", "--output", "json"]).json()["whole"], true);
    assert_eq!(place.run(&["report", "--output", "json"]).code, 0);
    place.run(&["report", "--output", "json"]).json();
    let file = place.path().join("log.md");
    let written = place.run(&["report", "--out", file.to_str().expect("UTF-8")]);
    assert_eq!((written.code, written.out.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(&file).expect("the report"), place.run(&["report"]).out);
}

#[test]
fn a_report_that_was_altered_is_told_from_one_that_follows_from_the_journal() {
    let place = Place::with_site(200);
    let fire = |step| place.run(&["exec", "--partition", "dev", "--step", step, "--yes", "--output", "json"]);
    assert_eq!(fire("prerequisites").code, 0);
    let file = |name: &str| place.path().join(name).to_str().expect("UTF-8").to_owned();
    let forms = ["markdown", "html", "json"].map(|form| (form, file(form)));
    for (form, file) in &forms {
        assert_eq!(place.run(&["report", "--output", form, "--out", file]).code, 0);
    }
    // The run goes on; what was written before still follows from what was there then.
    assert_eq!(fire("drift").code, 0);
    for (form, file) in &forms {
        let verified = place.run(&["verify", "--report", file]);
        assert!(verified.code == 0 && verified.out.contains("follows from records 1 to"), "{form}: {verified:?}");

        let written = std::fs::read_to_string(file).expect("the report");
        std::fs::write(file, written.replacen("Prerequisites", "Prerequisitez", 1)).expect("the altered report");
        let verified = place.run(&["verify", "--report", file]);
        assert!(verified.code == 1 && verified.out.contains("it does not follow: line"), "{form}: {verified:?}");
    }
    let head = place.run(&["verify", "--output", "json"]).json()["head"].as_str().expect("a checksum").to_owned();
    assert_eq!(place.run(&["verify", "--seal", &head]).code, 0);

    // A journal that ends before its last record is a whole chain still; only who knows the seal can tell.
    let journal = place.journal();
    let lines = std::fs::read_to_string(&journal).expect("the journal");
    let last = lines.trim_end().rfind('\n').expect("several records") + 1;
    std::fs::write(&journal, &lines[..last]).expect("the journal cut short");
    assert_eq!(place.run(&["verify"]).code, 0);
    let verified = place.run(&["verify", "--seal", &head]);
    assert!(verified.code == 1 && verified.out.contains("cut short"), "{verified:?}");
}

#[test]
fn rollout_files_are_validated_shown_described_and_begun() {
    let place = Place::new();
    let validated = place.run(&["config", "validate", ROLLOUT]);
    assert!(validated.code == 0 && validated.out.contains("4 partitions"), "{validated:?}");
    let shown = place.run(&["config", "show", ROLLOUT]).json();
    assert_eq!(shown["partitions"].as_array().map(Vec::len), Some(4));
    assert_eq!(shown, place.run(&["config", "show"]).json(), "the shipped rollout is the file in the repository");
    let schema = place.run(&["config", "schema"]).json();
    assert!(schema["$schema"].is_string() && schema["properties"].is_object());

    let begun = place.run(&["init", "mine.toml"]);
    assert!(begun.code == 0 && begun.out.contains("next:"), "{begun:?}");
    assert_eq!(place.run(&["config", "validate", "mine.toml"]).code, 0);
    let again = place.run(&["init", "mine.toml"]);
    assert!(again.code == 2 && again.err.contains("mine.toml is not written"), "{again:?}");
    assert!(!place.state().exists(), "nothing of this needs a state directory");
}

#[test]
fn shells_and_man_take_what_is_printed_for_them() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = place.run(&["completions", shell]);
        assert!(said.code == 0 && said.out.contains("rehearse"), "{shell}");
        assert!(!said.out.contains("stand-in"), "{shell}: what is not for people is not offered");
    }
    let bash = place.path().join("completions.bash");
    std::fs::write(&bash, place.run(&["completions", "bash"]).out).expect("a file");
    assert!(Command::new("bash").arg("-n").arg(&bash).status().expect("bash").success());
    let man = place.run(&["man"]);
    assert!(man.code == 0 && man.out.contains(".TH aurora-cockpit"), "{}", man.out);
    let version = place.run(&["--version"]);
    assert_eq!(version.out.trim(), concat!("aurora-cockpit ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    for arguments in [&["config", "show"][..], &["completions", "zsh"], &["man"]] {
        let mut command = place.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let ended = child.wait_with_output().expect("an end");
        let err = String::from_utf8_lossy(&ended.stderr);
        assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    }
}
