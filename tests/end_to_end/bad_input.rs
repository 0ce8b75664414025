//! What is wrong, missing or in the way: one clear message, the next step to take, and nothing lost or half started.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Cockpit, DOWN, ENTER, ESCAPE, Place, ROLLOUT, TAB, ledger};

/// What is typed, the exit code, and what is said.
type Case<'a> = (&'a [&'a str], i32, &'a [&'a str]);

/// Runs each; nothing of it may leave a run or a site behind.
fn refused_before_anything_starts(place: &Place, cases: &[Case<'_>]) {
    for (arguments, code, words) in cases {
        let said = place.run(arguments);
        assert_eq!(said.code, *code, "{arguments:?}: {said:#?}");
        for words in *words {
            assert!(said.err.contains(words), "{arguments:?} says {words:?}: {said:#?}");
        }
        assert_eq!(said.out, "", "{arguments:?}");
        assert!(!said.err.contains("panicked") && !said.err.contains('\x1b'), "{arguments:?}: {}", said.err);
        assert!(!place.state().join("runs").exists(), "{arguments:?} begins no run");
        assert!(!place.state().join("site.log").exists(), "{arguments:?} starts no site");
    }
}

#[test]
fn what_is_typed_wrong_is_refused_before_anything_starts() {
    let place = Place::new();
    let shipped = fs::read_to_string(ROLLOUT).expect("the shipped rollout");
    let file = |name: &str, text: String| fs::write(place.path().join(name), text).expect("a file");
    file("typo.toml", shipped.replacen("expected = \"20s\"", "expcted = \"20s\"", 1));
    file("broken.toml", shipped.replacen("[[steps]]", "[[steps", 1));
    file("placeholder.toml", shipped.replacen("id = \"${infrastructure}-", "id = \"${infrastucture}-", 1));
    file("empty.toml", String::new());
    file("settings.toml", "them = \"dark\"\n".to_owned());
    let line = shipped.lines().position(|line| line == "expected = \"20s\"").expect("it is there") + 1;
    let line = format!("typo.toml:{line}");
    let typo: &[&str] = &[&line, "expcted", "expected", "nothing was started"];
    refused_before_anything_starts(
        &place,
        &[
            (&["run", "--rollout", "typo.toml"], 2, typo),
            (&["rehearse", "--auto", "--rollout", "typo.toml"], 2, typo),
            (&["check", "--rollout", "typo.toml"], 2, typo),
            (&["config", "validate", "typo.toml"], 2, typo),
            (&["exec", "--partition", "dev", "--all", "--rollout", "typo.toml"], 2, typo),
            (&["run", "--rollout", "broken.toml"], 2, &["broken.toml:"]),
            (&["run", "--rollout", "placeholder.toml"], 2, &["placeholder.toml:", "infrastucture", "infrastructure"]),
            (&["run", "--rollout", "empty.toml"], 2, &["empty.toml"]),
            (&["run", "--rollout", "nowhere.toml"], 2, &["nowhere.toml"]),
            (&["rehearse", "--auto", "--rollout", "nowhere.toml"], 2, &["nowhere.toml"]),
            (&["run", "--rollout", "/"], 2, &["/"]),
            (&["run", "--config", "settings.toml"], 2, &["settings.toml", "them", "theme"]),
            (&["run", "--config", "nowhere.toml"], 2, &["nowhere.toml"]),
            (&["run", "--theme", "nope"], 2, &["no theme nope", "high-contrast"]),
            (&["demo", "--theme", "nope"], 2, &["no theme nope", "high-contrast"]),
            (&["monitor"], 2, &["no run", "aurora-cockpit run"]),
            (&["status"], 2, &["no run", "aurora-cockpit run"]),
            (&["report", "last-night"], 2, &["no run last-night"]),
            (&["verify"], 2, &["no run"]),
            (&["exec", "--partition", "qa", "--all"], 2, &["no partition qa", "dev, stage, demo, prod"]),
            (&["exec", "--partition", "dev", "--step", "fail-over"], 2, &["no step fail-over", "failover"]),
            (&["exec", "--partition", "dev"], 2, &["--step"]),
            (&["check", "--partition", "qa"], 2, &["no partition qa"]),
            (&["auto"], 3, &["on a simulated site only", "rehearse --auto"]),
            (&["demo", "--speed", "fast"], 2, &["--speed"]),
            (&["demo", "--speed", "0"], 2, &["a speed of 0 makes no sense"]),
            (&["flyover"], 2, &["flyover"]),
        ],
    );
}

#[test]
fn a_scenario_that_is_wrong_is_refused_before_anything_starts() {
    let place = Place::new();
    let cases: [(&str, &str, &[&str]); 8] = [
        ("buzy.toml", "[[situation]]\nname = \"cluster-buzy\"\n", &["buzy.toml:2:8", "did you mean `cluster-busy`?"]),
        ("step.toml", "[[situation]]\nname = \"throttled\"\nstep = \"fail-over\"\n", &["step.toml:3:8", "`failover`"]),
        ("where.toml", "[[situation]]\nname = \"throttled\"\npartition = \"prd\"\n", &["where.toml:3:13", "`prod`"]),
        ("key.toml", "[[situation]]\nname = \"throttled\"\ntime = 1\n", &["key.toml:3:1", "`times`"]),
        ("never.toml", "[[situation]]\nname = \"throttled\"\ntimes = 0\n", &["never.toml:3:9", "from 1"]),
        ("kind.toml", "[[situation]]\nname = \"throttled\"\ntimes = \"twice\"\n", &["kind.toml:3:9", "a text"]),
        ("empty.toml", "", &["empty.toml:1:1", "[[situation]]"]),
        ("prose.toml", "Tonight everything goes wrong.\n", &["prose.toml:1:"]),
    ];
    for (name, text, words) in cases {
        fs::write(place.path().join(name), text).expect("a file");
        let words = [words, &["nothing was started"]].concat();
        refused_before_anything_starts(
            &place,
            &[
                (&["demo", "--scenario", name], 2, &words),
                (&["rehearse", "--rollout", ROLLOUT, "--auto", "--scenario", name], 2, &words),
                (&["sim", "--env-file", "environment", "--scenario", name], 2, &words),
            ],
        );
        assert!(!place.path().join("environment").exists(), "{name}: no site is made");
    }
    refused_before_anything_starts(
        &place,
        &[
            (&["demo", "--scenario", "worst-nite"], 2, &["worst-nite", "did you mean `worst-night`?"]),
            (&["rehearse", "--rollout", ROLLOUT, "--auto", "--only", "prd"], 2, &["`prd`", "did you mean `prod`?"]),
        ],
    );
}

#[test]
fn a_situation_that_is_wrong_is_not_put_on_the_stage() {
    let place = Place::with_site(100);
    let address = place.address().expect("a site");
    let before = ledger::send(&address, "GET", "/__sim/situations", "");
    let cases = [
        (r#"{"name":"cluster-buzy"}"#, "did you mean `cluster-busy`?"),
        (r#"{"name":"throttled","partition":"prd"}"#, "did you mean `prod`?"),
        (r#"{"name":"throttled","step":"fail-over"}"#, "did you mean `failover`?"),
        (r#"{"name":"throttled","times":0}"#, "from 1"),
        (r#"{"name":"throttled","times":"twice"}"#, "must be a whole number"),
        (r#"{"name":"throttled","time":1}"#, "did you mean `times`?"),
        ("{}", "it says which situation"),
        ("[]", ""),
        ("Tonight", ""),
    ];
    for (body, words) in cases {
        let said = ledger::send(&address, "POST", "/__sim/situations", body);
        assert!(said.starts_with("HTTP/1.1 4"), "{body}: {said}");
        assert!(words.is_empty() || said.starts_with("HTTP/1.1 422"), "{body}: {said}");
        assert!(said.contains(words), "{body} is told {words}: {said}");
    }
    let staged = |said: &str| said.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    let after = ledger::send(&address, "GET", "/__sim/situations", "");
    assert_eq!(staged(&after), staged(&before), "nothing was put on the stage");
    let right =
        ledger::send(&address, "POST", "/__sim/situations", r#"{"name":"cluster-busy","partition":"dev","times":1}"#);
    assert!(right.starts_with("HTTP/1.1 200") && right.contains("cluster-busy"), "{right}");
}

#[test]
fn without_a_terminal_the_cockpit_names_what_needs_none() {
    let place = Place::new();
    let words: &[&str] = &["no terminal", "`exec`"];
    refused_before_anything_starts(
        &place,
        &[(&["run"], 2, words), (&["demo"], 2, words), (&["rehearse", "--rollout", ROLLOUT], 2, words)],
    );
    let said = place.run(&[]);
    assert!(said.code == 2 && said.err.contains("no terminal"), "{said:?}");
}

#[test]
fn a_terminal_that_is_too_small_says_what_it_needs_until_it_is_large_enough() {
    let place = Place::with_site(100);
    let mut cockpit = Cockpit::start(&place, (60, 15), &["run"]);
    cockpit.see("needs 78x22");
    cockpit.see("has 60x15");
    cockpit.resize(120, 40);
    cockpit.see("p  › Prerequisites");
    // Down to nothing and back, in the middle of a confirmation: it is still there.
    cockpit.open("p");
    cockpit.resize(1, 1);
    cockpit.resize(40, 10);
    cockpit.see("needs 78x22");
    cockpit.resize(100, 32);
    cockpit.see("Enter chooses");
    cockpit.press(ENTER);
    cockpit.press("q");
    assert_eq!(cockpit.end().0, 0);
}

#[test]
fn a_key_pressed_while_nothing_can_be_read_fires_nothing() {
    let place = Place::with_site(100);
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("p  › Prerequisites");
    cockpit.open("p");
    cockpit.resize(40, 10);
    cockpit.see("needs 78x22");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.resize(120, 40);
    cockpit.see("p  ");
    cockpit.press(ESCAPE);
    cockpit.see("p  › Prerequisites");
    assert_eq!(place.events("attempt-started"), 0, "what cannot be seen is not confirmed");
}

#[test]
fn a_journal_broken_in_the_middle_is_named_with_its_line_and_left_as_it_is() {
    let place = Place::with_site(200);
    assert_eq!(place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes"]).code, 0);
    let journal = place.journal();
    let whole = fs::read_to_string(&journal).expect("a journal");
    let broken = whole.replacen("session-opened", "session-opener", 1);
    fs::write(&journal, &broken).expect("written");
    let name = journal.display().to_string();
    for arguments in
        [&["status"][..], &["report"], &["verify"], &["exec", "--partition", "dev", "--step", "drift", "--yes"]]
    {
        let said = place.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {said:#?}");
        assert!(said.err.contains(&name) && said.err.contains("line 2"), "{arguments:?}: {}", said.err);
    }
    assert_eq!(fs::read_to_string(&journal).expect("a journal"), broken, "nothing was changed");
    let runs = fs::read_dir(place.state().join("runs")).expect("runs").count();
    assert_eq!(runs, 1, "no other run was begun behind the operator's back");

    // A last line that was torn is another matter: it is dropped with a word, and the run goes on.
    fs::write(&journal, format!("{whole}{{\"v\":1,\"seq\":")).expect("written");
    let verified = place.run(&["verify"]);
    assert!(verified.code == 0 && verified.out.contains("not complete"), "{verified:?}");
    let resumed = place.run(&["exec", "--partition", "dev", "--step", "drift", "--yes"]);
    assert!(resumed.code == 0 && resumed.err.contains("was torn"), "{resumed:?}");
}

#[test]
fn a_port_that_is_taken_and_a_directory_of_somebody_elses_are_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let sim = |arguments: &[&str]| {
        let mut command = place.command(&[]);
        let output = command.arg("sim").args(["--env-file", "env", "--dir", "site"]).args(arguments).output();
        crate::support::Said::from(output.expect("it starts"))
    };
    let said = sim(&["--listen", &address]);
    assert!(said.code == 2 && said.err.contains(&address) && said.err.contains("in use"), "{said:?}");
    assert!(!place.path().join("env").exists(), "no environment leads to a site that is not there");
    let said = sim(&["--listen", "0.0.0.0:0"]);
    assert!(said.code == 2 && said.err.contains("not a loopback address"), "{said:?}");
    fs::create_dir(place.path().join("photographs")).expect("a directory");
    fs::write(place.path().join("photographs/one.jpg"), "").expect("a file");
    let said = sim(&["--dir", "photographs"]);
    assert!(said.code == 2, "{said:?}");
}

/// A PATH with the site's stand-ins and these programs alone.
fn path_of(place: &mut Place, programs: &[&str], without: &str) {
    let bin = place.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let usual = std::env::var("PATH").expect("a PATH");
    for program in programs {
        let found = usual.split(':').map(|each| Path::new(each).join(program)).find(|each| each.exists());
        symlink(found.unwrap_or_else(|| panic!("{program} is needed for this test")), bin.join(program))
            .expect("a link");
    }
    let stand_ins = place.site().join("stand-ins");
    let _ = fs::remove_file(stand_ins.join(without));
    place.set("PATH", format!("{}:{}", stand_ins.display(), bin.display()));
}

#[test]
fn programs_that_are_missing_are_named_before_anything_needs_them() {
    let mut place = Place::with_site(200);
    path_of(&mut place, &["git", "sh"], "helm");
    let checked = place.run(&["check", "--partition", "dev"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    for words in ["FAIL  helm is on PATH", "helm is not on PATH", "install helm", "falls back to HTTP requests"] {
        assert!(checked.out.contains(words), "{words}: {}", checked.out);
    }
    let fired = place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes"]);
    assert_eq!(fired.code, 1, "{fired:?}");
    let locked = place.run(&["exec", "--partition", "dev", "--step", "drift", "--yes"]);
    assert_eq!(locked.code, 3, "{locked:?}");
}

#[test]
fn without_a_browser_the_application_is_judged_by_http_or_by_the_operators_own_word() {
    let mut place = Place::with_site(200);
    path_of(&mut place, &["git", "sh"], "none");
    let all = place.run(&["exec", "--partition", "dev", "--all", "--yes"]);
    // Nobody chose: it is looked at by what there is, and recorded as such.
    assert_eq!(all.code, 0, "{}", all.err);
    let report = place.run(&["report"]).out;
    assert!(report.contains("HTTP"), "{report}");

    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("9/9");
    cockpit.press("q");
    assert_eq!(cockpit.end().0, 0);
}

#[test]
fn the_operators_own_word_is_asked_for_on_the_screen_and_recorded_as_such() {
    let mut place = Place::with_site(200);
    path_of(&mut place, &["git", "sh"], "none");
    let before: &[&str] = &[
        "prerequisites",
        "drift",
        "snapshot",
        "amm",
        "dynamic",
        "reader",
        "failover",
        "static",
        "chart",
        "statements",
        "delete-snapshot",
    ];
    for step in before {
        let fired = place.run(&["exec", "--partition", "dev", "--step", step, "--yes"]);
        assert_eq!(fired.code, 0, "{fired:?}");
    }
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("9  › Application health");
    cockpit.open("9");
    cockpit.see("no browser");
    cockpit.see("by HTTP");
    cockpit.see("my own word: I looked, it is healthy");
    cockpit.press(DOWN);
    cockpit.see("● my own word: I looked, it is healthy");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.pass("Application health");
    cockpit.press("q");
    assert_eq!(cockpit.end().0, 0);
    let step = place.step("dev", "app");
    assert!(step.to_string().contains("word"), "{step:#}");
}

#[test]
fn a_gate_that_is_not_open_is_refused_with_its_reason_and_nothing_is_sent() {
    let place = Place::with_site(200);
    let before = place.ledger();
    let exec = |partition: &str, step: &str, rest: &[&str]| {
        let mut arguments = vec!["exec", "--partition", partition, "--step", step];
        arguments.extend(rest);
        place.run(&arguments)
    };
    let unconfirmed = exec("dev", "prerequisites", &[]);
    assert_eq!(unconfirmed.code, 3, "{unconfirmed:?}");
    assert!(unconfirmed.err.contains("give --yes") && unconfirmed.err.contains("nothing was sent"), "{unconfirmed:?}");
    for (partition, step) in [("dev", "failover"), ("stage", "prerequisites"), ("prod", "failover"), ("prod", "merge")]
    {
        let locked = exec(partition, step, &["--yes", "--confirm", "Alpha001-prod-AuroraCluster"]);
        assert_eq!(locked.code, 3, "{locked:?}");
        assert!(locked.err.contains(&format!("{partition}/{step} is locked: ")), "{locked:?}");
    }
    assert_eq!(place.events("attempt-started"), 0);
    assert_eq!(place.ledger(), before, "nothing was sent");
}

#[test]
fn prod_wants_its_clusters_name_whole_on_the_screen_and_without_one() {
    // Prod alone: nothing goes before it.
    let mut rollout: toml::Table = fs::read_to_string(ROLLOUT).expect("the shipped rollout").parse().expect("TOML");
    let partitions = rollout["partitions"].as_array_mut().expect("partitions");
    partitions.retain(|partition| partition["name"].as_str() == Some("prod"));
    for step in rollout["steps"].as_array_mut().expect("steps") {
        let settings = step.get_mut("verify-sql").and_then(|verify| verify.get_mut("settings"));
        let Some(settings) = settings.and_then(toml::Value::as_array_mut) else { continue };
        settings.retain(|setting| setting.get("formula").is_none());
    }
    let alone = Place::new();
    let file = alone.path().join("prod.toml");
    fs::write(&file, rollout.to_string()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let place = Place::with_site_of(200, file);
    for step in ["prerequisites", "drift"] {
        let fired = place.run(&["exec", "--rollout", file, "--partition", "prod", "--step", step, "--yes"]);
        assert_eq!(fired.code, 0, "{fired:?}");
    }
    let before = place.ledger();
    let exec = ["exec", "--rollout", file, "--partition", "prod", "--step", "snapshot"];
    for answer in [&["--yes"][..], &["--confirm", "alpha001-prod-auroracluster"], &["--yes", "--confirm", "prod"], &[]]
    {
        let refused = place.run(&[&exec, answer].concat());
        assert_eq!(refused.code, 3, "{answer:?}: {refused:?}");
        assert!(
            refused.err.contains("Alpha001-prod-AuroraCluster") && refused.err.contains("nothing was sent"),
            "{refused:?}"
        );
    }
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run", "--rollout", file]);
    cockpit.see("1  › Snapshot");
    cockpit.press("1");
    cockpit.see("Fire needs the whole name");
    cockpit.see(" PROD ");
    // Half the name, and Fire cannot be reached; the whole, and it can.
    cockpit.press("Alpha001-prod");
    cockpit.see("› Alpha001-prod");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.see("1  › Snapshot");
    assert_eq!(place.ledger(), before, "nothing was sent");
    cockpit.press("1");
    cockpit.see("Fire needs the whole name");
    cockpit.press("Alpha001-prod-AuroraCluster");
    cockpit.see("Enter chooses");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.pass("Snapshot");
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);
    let amm = place.run(&["status"]);
    assert!(amm.out.contains("held by jmp"), "{amm:?}");
}

#[test]
fn a_second_operator_looks_on_and_is_told_who_has_the_controls() {
    let place = Place::with_site(100);
    let mut first = Cockpit::start(&place, (120, 40), &["run", "--operator", "ada"]);
    first.see("p  › Prerequisites");
    first.see(" OPERATOR ");
    let mut second = Cockpit::start(&place, (120, 40), &["run", "--operator", "grace"]);
    second.see(" MONITOR ");
    second.see("ada");
    second.press("p");
    second.see("read-only: ada holds the controls");
    // Nor does firing without a screen go past the one who has them.
    let fired = place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes", "--operator", "grace"]);
    assert_eq!(fired.code, 3, "{fired:?}");
    assert!(fired.err.contains("held by ada"), "{fired:?}");
    let status = place.run(&["status", "--output", "json"]).json();
    assert_eq!(status["held_by"], "ada");
    first.fire(("p", "Prerequisites"));
    second.pass("Prerequisites");
    first.press("q");
    assert_eq!(first.end().0, 0);
    // The first has left: the next one has the controls.
    let mut third = Cockpit::start(&place, (120, 40), &["run", "--operator", "grace"]);
    third.see(" OPERATOR ");
    third.pass("Prerequisites");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_with_a_way_out() {
    let place = Place::new();
    fs::write(place.state(), "a file where a directory should be").expect("a file");
    let rehearse = ["rehearse", "--auto", "--rollout", ROLLOUT];
    for arguments in [&["run"][..], &rehearse, &["exec", "--partition", "dev", "--all", "--yes"], &["check"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {said:#?}");
        assert!(said.err.contains(&place.state().display().to_string()), "{arguments:?}: {said:#?}");
        assert!(said.err.contains("--state-dir"), "{arguments:?}: {said:#?}");
    }
    let (code, terminal) = Cockpit::start(&place, (120, 40), &["demo"]).end();
    assert_eq!(code, 2);
    assert!(terminal.screen().contents().contains("choose another state directory with --state-dir"));
}
