//! Answers that are lost, as somebody without a screen meets them: what a call came to is looked up, an outcome that nobody can
//! tell has an exit code of its own, and a program that ends badly after its work was done is not run again.
//!
//! Every changing call, and every way to lose it, is in `src/steps/tests/lost.rs`.

use serde_json::{Value, json};

use crate::rehearsal::ask;
use crate::support::{Place, step_of};
use crate::unknown::prod_first;

/// They wait most of the time, for as long as the other side is given to show an effect.
#[test]
fn what_is_lost_is_looked_up_and_what_is_unknown_has_its_exit_code() {
    std::thread::scope(|scope| {
        let all = [
            scope.spawn(nobody_can_tell_what_became_of_a_snapshot),
            scope.spawn(helm_ends_badly_before_and_after_its_work),
            scope.spawn(gh_ends_badly_before_and_after_its_work),
        ];
        for one in all {
            one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// The network goes with the answer. Exit 4; and once it is back, firing again finds out, and sends nothing.
fn nobody_can_tell_what_became_of_a_snapshot() {
    let place = Place::with_site(200);
    for step in ["prerequisites", "drift"] {
        assert_eq!(exec(&place, "dev", step, None).0, 0);
    }
    lose(&place, "rds", "CreateDBClusterSnapshot", ("answer", "gone"), "");
    let (code, run) = exec(&place, "dev", "snapshot", None);
    let step = step_of(&run, "dev", "snapshot");
    assert_eq!((code, step["state"].as_str()), (4, Some("UNKNOWN")), "{step:#}");
    let action = &step["attempts"][0]["actions"][0]["outcome"];
    assert_eq!(action["outcome"], "unknown", "{action}");
    let finding = &step["attempts"][0]["outcome"]["finding"];
    assert!(
        finding["remedy"].as_str().is_some_and(|remedy| remedy.contains("it looks before it sends")),
        "{finding:#}"
    );
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);

    site(&place, "DELETE", "outages", &Value::Null);
    let (code, run) = exec(&place, "dev", "snapshot", None);
    let step = step_of(&run, "dev", "snapshot");
    assert_eq!(code, 0, "{step:#}");
    assert_eq!(step["attempts"][0]["actions"][0]["outcome"]["outcome"], "found-done", "{step:#}");
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);
    assert_eq!(place.run(&["verify"]).code, 0);
    eprintln!("snapshot: answer and network lost, exit 4, then found done; sent once");
}

/// Its connection to the cluster breaks: before anything came of it, and after the revision was there.
fn helm_ends_badly_before_and_after_its_work() {
    let (place, file, _home) = prod_first();
    until(&place, &file, "chart", false);
    let again = |code| {
        let (ended, run) = exec(&place, "prod", "chart", Some(&file));
        let step = step_of(&run, "prod", "chart");
        assert_eq!(ended, code, "{step:#}");
        step
    };
    let words = "Error: UPGRADE FAILED: Post \"https://10.0.0.1/api\": unexpected EOF";
    for (what, sent) in [("call", 0), ("answer", 1)] {
        lose(&place, "helm", "upgrade", (what, "cut"), words);
        let step = again(1);
        let attempts = step["attempts"].as_array().expect("attempts");
        let finding = attempts.last().expect("an attempt")["findings"].to_string();
        assert!(finding.contains("unexpected EOF"), "{finding}");
        assert_eq!(place.ledger().calls("upgrade"), sent, "{what}");
    }
    // What it made is found by helm's history, watched and verified; nothing is sent.
    let step = again(0);
    let attempt = step["attempts"].as_array().and_then(|attempts| attempts.last()).expect("an attempt");
    assert_eq!(attempt["actions"], json!([]), "{attempt:#}");
    let journal = std::fs::read_to_string(place.journal()).expect("a journal");
    assert!(journal.contains("this run deployed it"), "where the revision came from is written down");
    assert_eq!(place.ledger().calls("upgrade"), 1);
    eprintln!("helm: ended badly before its work and after it; upgraded once");
}

/// The same of a merge: a connection that is reset says nothing of whether GitHub merged.
fn gh_ends_badly_before_and_after_its_work() {
    let (place, file, _home) = prod_first();
    until(&place, &file, "merge", true);
    let words = "Post \"https://api.github.com/graphql\": read tcp 10.0.0.2:51022: read: connection reset by peer";
    lose(&place, "gh", "pr merge", ("call", "cut"), words);
    let (code, run) = exec(&place, "prod", "merge", Some(&file));
    let step = step_of(&run, "prod", "merge");
    assert_eq!(code, 1, "{step:#}");
    let action = |step: &Value, attempt: usize| step["attempts"][attempt]["actions"][0]["outcome"]["outcome"].clone();
    assert_eq!(action(&step, 0), "found-undone", "{step:#}");
    assert_eq!(place.ledger().calls("pr merge"), 0);

    lose(&place, "gh", "pr merge", ("answer", "cut"), words);
    let (code, run) = exec(&place, "prod", "merge", Some(&file));
    let step = step_of(&run, "prod", "merge");
    assert_eq!((code, action(&step, 1)), (0, "found-done".into()), "{step:#}");
    assert_eq!(place.ledger().calls("pr merge"), 1);
    eprintln!("gh: reset before the merge and after it; merged once");
}

/// Fires a step; its exit code, and how the run stands.
fn exec(place: &Place, partition: &str, step: &str, rollout: Option<&str>) -> (i32, Value) {
    let mut fire = vec!["exec", "--partition", partition, "--step", step, "--yes", "--output", "json"];
    fire.extend(rollout.into_iter().flat_map(|file| ["--rollout", file]));
    let said = place.run(&fire);
    (said.code, said.json())
}

/// Takes prod as far as that step: what may be passed over is.
fn until(place: &Place, file: &str, last: &str, passes_over: bool) {
    let plan = aurora_cockpit::config::load(std::path::Path::new(file), None).expect("a plan");
    let steps = &plan.partition(&"prod".into()).expect("prod").steps;
    for step in steps.iter().map(|step| step.id.as_str()).take_while(|step| *step != last) {
        let at = ["exec", "--partition", "prod", "--rollout", file, "--step", step];
        let skipped = passes_over && place.run(&[&at[..], &["--skip", "not the matter here"]].concat()).code == 0;
        if !skipped {
            let said = place.run(&[&at[..], &["--yes"]].concat());
            assert_eq!(said.code, 0, "{step}: {said:?}");
        }
    }
}

fn lose(place: &Place, service: &str, operation: &str, (what, how): (&str, &str), message: &str) {
    let lost = json!({ "what": what, "how": how });
    let fault = json!({ "service": service, "operation": operation, "message": message, "lost": lost });
    site(place, "POST", "faults", &fault);
}

fn site(place: &Place, method: &str, path: &str, body: &Value) {
    let (status, said) = ask(&place.address().expect("a site"), method, &format!("/__sim/{path}"), body);
    assert_eq!(status, 204, "{said}");
}
