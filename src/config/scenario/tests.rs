//! Scenario files are read strictly, and what is wrong is said with its line.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::config;

fn plan() -> Plan {
    config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap()
}

/// Everything that is said of a text that is refused.
fn refused(text: &str) -> String {
    match read("night.toml", text, &plan()) {
        Err(problems) => problems.to_string(),
        Ok(scenario) => panic!("was taken: {scenario:?}"),
    }
}

#[test]
fn a_scenario_says_which_where_when_and_how_often() {
    let text = "title = \"A night\"\nseed = 3\n\n[names]\nfog = \"cluster-busy\"\n\n[[situation]]\nname = \"fog\"\n\
                partition = \"prod\"\nstep = \"snapshot\"\ntimes = 2\nafter_s = 12\n\n[[situation]]\nname = \"throttled\"\n";
    let scenario = read("night.toml", text, &plan()).unwrap();
    assert_eq!((scenario.title.as_str(), scenario.seed), ("A night", Some(3)));
    let busy = Staged {
        situation: Situation::ClusterBusy,
        partition: Some(PartitionName::new("prod")),
        step: Some("snapshot"),
        times: Some(2),
        after: Duration::from_secs(12),
    };
    let throttled =
        Staged { situation: Situation::Throttled, partition: None, step: None, times: None, after: Duration::ZERO };
    assert_eq!(scenario.situations, [busy, throttled]);
    assert_eq!(scenario.weather_percent, 0);
    let bad = read("night.toml", &format!("weather_percent = 30\n{text}"), &plan()).unwrap();
    assert_eq!(bad.weather_percent, 30);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_was_meant() {
    let cases = [
        ("", "night.toml:1:1: situation: is missing"),
        ("title = \"nothing\"\n", "night.toml:1:1: situation: is missing"),
        (
            "[situation]\nname = \"throttled\"\n",
            "night.toml:1:1: situation: must be a list, and is a table; write [[situation]]",
        ),
        ("situation = [\"throttled\"]\n", "night.toml:1:14: situation[0]: must be a table, and is a text"),
        ("seed = 7\nsituation = [\n", "night.toml:"),
        ("Tonight everything goes wrong.\n", "night.toml:1:"),
        (
            "[[situation]]\nname = \"cluster-buzy\"\n",
            "night.toml:2:8: situation[0].name: there is no situation `cluster-buzy`; did you mean `cluster-busy`?",
        ),
        (
            "weather_percent = 60\n[[situation]]\nname = \"throttled\"\n",
            "night.toml:1:19: weather_percent: must be from 0 to 50, and is 60",
        ),
        (
            "[[situation]]\nname = \"rain\"\n",
            "night.toml:2:8: situation[0].name: there is no situation `rain`; the README lists them all",
        ),
        ("[[situation]]\nname = 7\n", "night.toml:2:8: situation[0].name: must be a text, and is a number"),
        ("[[situation]]\ntimes = 1\n", "situation[0].name: is missing: it says which situation"),
        (
            "[[situation]]\nname = \"throttled\"\npartition = \"prd\"\n",
            "night.toml:3:13: situation[0].partition: the rollout has no partition `prd`; did you mean `prod`?",
        ),
        (
            "[[situation]]\nname = \"throttled\"\npartition = 4\n",
            "night.toml:3:13: situation[0].partition: must be a text, and is a number",
        ),
        (
            "[[situation]]\nname = \"throttled\"\nstep = \"fail-over\"\n",
            "night.toml:3:8: situation[0].step: the rollout has no step `fail-over`; did you mean `failover`?",
        ),
        (
            "[[situation]]\nname = \"throttled\"\nstep = true\n",
            "night.toml:3:8: situation[0].step: must be a text, and is true or false",
        ),
        ("[[situation]]\nname = \"throttled\"\ntimes = 0\n", "night.toml:3:9: situation[0].times: must be from 1 to"),
        (
            "[[situation]]\nname = \"throttled\"\ntimes = -1\n",
            "night.toml:3:9: situation[0].times: must not be below 0, and is -1",
        ),
        (
            "[[situation]]\nname = \"throttled\"\ntimes = 5000000000\n",
            "night.toml:3:9: situation[0].times: must be from 1 to",
        ),
        (
            "[[situation]]\nname = \"throttled\"\ntimes = \"twice\"\n",
            "night.toml:3:9: situation[0].times: must be a whole number, and is a text",
        ),
        (
            "[[situation]]\nname = \"throttled\"\nafter_s = 1.5\n",
            "night.toml:3:11: situation[0].after_s: must be a whole number, and is a number with a fraction",
        ),
        (
            "[[situation]]\nname = \"throttled\"\ntime = 1\n",
            "night.toml:3:1: situation[0].time: is not a key of a scenario; did you mean `times`?",
        ),
        (
            "sed = 7\n[[situation]]\nname = \"throttled\"\n",
            "night.toml:1:1: sed: is not a key of a scenario; did you mean `seed`?",
        ),
        ("title = 7\n[[situation]]\nname = \"throttled\"\n", "night.toml:1:9: title: must be a text, and is a number"),
        (
            "seed = \"x\"\n[[situation]]\nname = \"throttled\"\n",
            "night.toml:1:8: seed: must be a whole number, and is a text",
        ),
        ("names = 7\n[[situation]]\nname = \"throttled\"\n", "night.toml:1:9: names: must be a table, and is a number"),
        (
            "[names]\nfog = \"cluster-buzy\"\n[[situation]]\nname = \"fog\"\n",
            "night.toml:2:7: names.fog: there is no situation `cluster-buzy`; did you mean `cluster-busy`?",
        ),
        (
            "[names]\nfog = 7\n[[situation]]\nname = \"fog\"\n",
            "night.toml:2:7: names.fog: must be a text, and is a number",
        ),
    ];
    for (text, expected) in cases {
        let said = refused(text);
        assert!(said.contains(expected), "{text:?}\nexpected {expected}\nsaid {said}");
        assert!(said.ends_with("nothing was started."), "{said}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let said =
        refused("[[situation]]\nname = \"rain\"\npartition = \"prd\"\n[[situation]]\nname = \"snow\"\ntimes = 0\n");
    assert!(said.ends_with("4 problems; nothing was started."), "{said}");
}

#[test]
fn every_situation_is_shipped_and_the_directory_holds_nothing_else() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/scenarios");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.collect();
    let shipped: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| format!("{name}.toml")).collect();
    assert_eq!(files, shipped);
    assert_eq!(shipped.len(), SHIPPED.len(), "each once");
    for situation in Situation::ALL {
        assert!(is_shipped(situation.name()), "{}", situation.name());
    }
    assert_eq!(Situation::ALL.len(), 73);
}

#[test]
fn every_shipped_scenario_is_read_and_has_a_title() {
    for (name, _) in SHIPPED {
        let scenario = load(name, &plan()).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!scenario.title.is_empty(), "{name}");
        let own = Situation::named(name);
        assert!(own.is_none_or(|own| scenario.situations.iter().any(|staged| staged.situation == own)), "{name}");
    }
}

#[test]
fn a_name_that_is_nearly_right_is_suggested() {
    let problems = load("cluster-buzy", &plan()).unwrap_err().to_string();
    assert!(problems.contains("did you mean `cluster-busy`?"), "{problems}");
}
