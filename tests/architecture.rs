//! The floors of the house: who may use whom. Read from the sources, so that a floor cannot be skipped by habit.

#![allow(clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first: a module uses those before it and itself.
const FLOORS: [&str; 11] =
    ["clock", "awake", "runbook", "journal", "config", "clients", "watch", "steps", "session", "app", "ui"];

/// Modules beside the floors, with all that they may use.
const BESIDE: [(&str, &[&str]); 5] = [
    ("report", &["clock", "runbook", "config"]),
    ("sim", &["runbook", "config"]),
    ("telemetry", &["clock", "journal"]),
    ("term", &[]),
    (
        "cli",
        &[
            "clock",
            "runbook",
            "journal",
            "config",
            "clients",
            "watch",
            "steps",
            "session",
            "app",
            "ui",
            "report",
            "sim",
            "telemetry",
            "term",
        ],
    ),
];

/// What the runbook is free of.
const NOT_IN_RUNBOOK: [&str; 8] = ["tokio", "ratatui", "crossterm", "aws_", "std::fs", "std::net", "reqwest", "kube::"];

/// Where the controls may be taken.
const TAKES_CONTROLS: [&str; 1] = ["session"];

/// Command lines that only look.
const ONLY_LOOKS: [&str; 3] = ["cli/monitor.rs", "cli/check.rs", "cli/init.rs"];

/// Lines above which a file must be listed here, with the reason why it is one file all the same.
const LONG: usize = 600;
const LONG_FILES: [(&str, &str); 1] =
    [("app/commands/table.rs", "one table, of ten lines for each command; in two it would be two")];

/// A source file: its path below `src`, and its text without comments, strings and tests.
struct Source {
    path: String,
    code: String,
    lines: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: without_tests(&without_comments(text)), lines: text.lines().count() }
    }

    /// The top-level module that it belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.ends_with("tests.rs") || self.path.contains("/tests/") || self.path == "sim/testing.rs"
    }
}

/// The sources of the crate.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory of sources") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below the root").display().to_string();
                sources.push(Source::new(&name, &fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    sources
}

/// Comments go, since a doc comment may well speak of another floor; and so do strings, which may hold anything.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut inside = false;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' if inside => drop(characters.next()),
                '"' => inside = !inside,
                '/' if !inside && characters.peek() == Some(&'/') => break,
                other if !inside => code.push(other),
                _ => {}
            }
        }
        code.push('\n');
    }
    code
}

/// Test modules and what is compiled for tests only stand at a file's end or are single items; both go.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let mut depth = 0_usize;
        for line in lines.by_ref() {
            depth += line.matches('{').count();
            depth = depth.saturating_sub(line.matches('}').count());
            if depth == 0 && (line.trim_end().ends_with('}') || line.trim_end().ends_with(';')) {
                break;
            }
        }
    }
    kept
}

/// The modules of this crate that a source names: `crate::x`, and `crate::{x, y::z}`.
fn used(code: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => modules.push(std::mem::take(&mut word)),
                    other if depth == 0 => word.push(other),
                    _ => {}
                }
            }
            modules.push(word);
        } else {
            modules.push(rest.to_owned());
        }
    }
    let head = |text: &str| -> String {
        text.trim_start().chars().take_while(|each| each.is_alphanumeric() || *each == '_').collect()
    };
    modules.iter().map(|text| head(text)).filter(|name| !name.is_empty()).collect()
}

fn may_use(module: &str) -> Option<Vec<&'static str>> {
    if let Some(floor) = FLOORS.iter().position(|each| *each == module) {
        return Some(FLOORS[..=floor].to_vec());
    }
    let (name, others) = BESIDE.iter().find(|(name, _)| *name == module)?;
    Some(others.iter().copied().chain([*name]).collect())
}

/// Everything that is not as it should be.
fn violations(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let module = source.module();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some(allowed) = may_use(module) else {
            found.push(format!("{}: {module} stands on no floor; give it one", source.path));
            continue;
        };
        let mut others = BTreeMap::new();
        for name in used(&source.code) {
            *others.entry(name).or_insert(0) += 1;
        }
        let is_module = |name: &str| may_use(name).is_some();
        for name in others.keys().filter(|name| is_module(name) && !allowed.contains(&name.as_str())) {
            found.push(format!("{}: {module} may not use {name}", source.path));
        }
        if module == "runbook" {
            let named = NOT_IN_RUNBOOK.iter().filter(|word| source.code.contains(**word));
            found.extend(named.map(|word| format!("{}: the runbook names {word}", source.path)));
        }
        if source.code.contains("Controls::take") && !TAKES_CONTROLS.contains(&module) {
            found.push(format!("{}: takes the controls", source.path));
        }
        let asks = ["Timestamp::now", "SystemTime::now"].iter().any(|asks| source.code.contains(asks));
        if asks && !matches!(module, "clock" | "sim") {
            found.push(format!("{}: asks the wall clock, which jumps; `clock::now` does not", source.path));
        }
        if source.code.contains("OperatorLock::take") && module != "journal" {
            found.push(format!("{}: takes a run's lock", source.path));
        }
        if ONLY_LOOKS.contains(&source.path.as_str()) {
            let words = [
                "Controls",
                "Session::",
                ".fire(",
                "carry_out",
                "OperatorLock",
                "Recorder::begin",
                "Recorder::resume",
                "Journal::open",
                "takeover",
            ];
            let named = words.iter().filter(|word| source.code.contains(**word));
            found.extend(named.map(|word| format!("{}: only looks, and names {word}", source.path)));
        }
    }
    for source in sources.iter().filter(|source| source.lines > LONG) {
        if !LONG_FILES.iter().any(|(path, _)| *path == source.path) {
            found.push(format!("{}: {} lines; split it, or list it with a reason", source.path, source.lines));
        }
    }
    found
}

#[test]
fn every_module_keeps_to_its_floor() {
    let sources = sources();
    assert!(sources.len() > 100, "the sources were not found: {}", sources.len());
    let found = violations(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_of_the_rule_is_there() {
    let sources = sources();
    for path in ONLY_LOOKS {
        assert!(sources.iter().any(|source| source.path == path), "{path} is gone: the rule would hold nothing");
    }
    for name in FLOORS.iter().chain(BESIDE.iter().map(|(name, _)| name)) {
        assert!(sources.iter().any(|source| source.module() == *name), "there is no module {name}");
    }
}

/// The rule itself is tried, so that it does not pass because it sees nothing.
#[test]
fn a_made_up_violation_is_caught() {
    let long = "fn f() {}\n".repeat(LONG + 1);
    let table = [
        ("runbook/a.rs", "use crate::clients::Trouble;", "runbook may not use clients"),
        ("runbook/a.rs", "use crate::{event::X, journal::Journal};", "runbook may not use journal"),
        ("runbook/a.rs", "fn f() { std::fs::read(p); }", "the runbook names std::fs"),
        ("steps/a.rs", "fn f() { crate::app::State::new(); }", "steps may not use app"),
        ("clients/a.rs", "use crate::{\n    runbook::{a, b},\n    sim::World,\n};", "clients may not use sim"),
        ("ui/a.rs", "use crate::sim::world::Site;", "ui may not use sim"),
        ("report/a.rs", "use crate::steps::Look;", "report may not use steps"),
        ("sim/a.rs", "use crate::clients::Aws;", "sim may not use clients"),
        ("steps/a.rs", "let controls = Controls::take(lock);", "takes the controls"),
        ("cli/run.rs", "let controls = Controls::take(lock);", "takes the controls"),
        ("session/a.rs", "OperatorLock::take(directory, owner)", "takes a run's lock"),
        ("cli/monitor.rs", "Journal::open(store, owner)", "only looks, and names Journal::open"),
        ("cli/monitor.rs", "session.fire(&run);", "only looks, and names .fire("),
        ("cli/check.rs", "use crate::clients::Controls;", "only looks, and names Controls"),
        ("steps/a.rs", "let late = jiff::Timestamp::now();", "asks the wall clock"),
        ("attic/a.rs", "fn f() {}", "stands on no floor"),
        ("ui/long.rs", long.as_str(), "lines; split it"),
    ];
    for (path, text, expected) in table {
        let found = violations(&[Source::new(path, text)]);
        assert!(found.iter().any(|each| each.contains(expected)), "{path} {text}: {found:?}");
    }
}

/// What only looks like a violation is none.
#[test]
fn comments_strings_and_tests_may_name_anything() {
    let table = [
        ("runbook/a.rs", "/// As [`Aws`](crate::clients::Aws) does.\nfn f() {}"),
        ("runbook/a.rs", "fn f() -> &'static str { \"use crate::clients::Aws\" }"),
        ("clients/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::sim::testing;\n    fn f() {}\n}"),
        ("clients/tests.rs", "use crate::sim::testing;"),
        ("steps/a.rs", "use crate::clients::Aws;\nuse crate::runbook::plan::Plan;"),
    ];
    for (path, text) in table {
        let found = violations(&[Source::new(path, text)]);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    let after = "#[cfg(test)]\nmod tests;\n\nuse crate::app::State;";
    assert!(!violations(&[Source::new("steps/a.rs", after)]).is_empty(), "what follows a test module is code again");
}

/// Calls of AWS that the clients make, `service:operation` in small letters: `.describe_db_clusters()` of the SDK's.
fn calls_of_aws(sources: &[Source]) -> std::collections::BTreeSet<String> {
    const CLIENTS: [(&str, &str); 7] = [
        ("clients/rds/", "rds"),
        ("clients/cloudformation.rs", "cloudformation"),
        ("clients/identity.rs", "sts"),
        ("clients/insights.rs", "pi"),
        ("clients/cloudwatch.rs", "cloudwatch"),
        ("clients/logs.rs", "logs"),
        ("clients/secrets.rs", "secretsmanager"),
    ];
    let verbs = [
        "add",
        "batch",
        "cancel",
        "continue",
        "copy",
        "create",
        "delete",
        "describe",
        "disable",
        "download",
        "enable",
        "execute",
        "failover",
        "filter",
        "get",
        "list",
        "modify",
        "promote",
        "put",
        "reboot",
        "remove",
        "reset",
        "restore",
        "rollback",
        "start",
        "stop",
        "switchover",
        "update",
    ];
    let mut calls = std::collections::BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some((_, service)) = CLIENTS.iter().find(|(path, _)| source.path.starts_with(path)) else {
            // Tokens are signed here, and no call is made for them.
            let signs = source.path.starts_with("clients/aws") || source.path == "clients/tokens.rs";
            let sdk = source.code.contains("aws_sdk_") && !signs && source.module() != "sim";
            assert!(!sdk, "{}: another client of AWS; its rights must be shipped as well", source.path);
            continue;
        };
        for (at, _) in source.code.match_indices('.') {
            let name: String =
                source.code[at + 1..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let is_call = source.code[at + 1 + name.len()..].starts_with("()");
            let verb = name.split('_').next().unwrap_or_default();
            if is_call && name.contains('_') && verbs.contains(&verb) {
                calls.insert(format!("{service}:{}", name.replace('_', "")));
            }
        }
    }
    calls
}

/// What the operator's policy allows is what the sources can call: nothing is missing, and nothing is spare.
#[test]
fn the_operators_policy_allows_what_the_clients_can_call() {
    let sources = sources();
    let calls = calls_of_aws(&sources);
    let allowed = |who: &str| -> std::collections::BTreeSet<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/iam/{who}.json"));
        let text = fs::read_to_string(file).expect("a policy");
        let words = text.split('"').filter(|word| {
            let (service, name) = word.split_once(':').unwrap_or_default();
            !service.is_empty() && name.chars().all(char::is_alphanumeric) && !name.is_empty()
        });
        // The right to connect to a database is used by no call, but by a token.
        words.filter(|word| *word != "rds-db:connect").map(str::to_lowercase).collect()
    };
    assert_eq!(allowed("operator"), calls);
    assert!(calls.len() > 15, "{calls:?}");
    let spare: Vec<String> = allowed("monitor").difference(&calls).cloned().collect();
    assert!(spare.is_empty(), "{spare:?}");
}

/// What the operator may do in Kubernetes is what the client does: each `Api` with the calls on it.
#[test]
fn the_operators_role_allows_what_the_client_of_kubernetes_can_call() {
    let mut calls = std::collections::BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_test() && source.path.starts_with("clients/kubernetes/"))
    {
        for part in source.code.split("let api: Api<").skip(1) {
            let kind = part.split('>').next().unwrap_or_default();
            let resource = match kind {
                "DynamicObject" => "externalsecrets".to_owned(),
                kind => format!("{}s", kind.to_lowercase()),
            };
            let call = part.split("api.").nth(1).unwrap_or_default();
            let call: String = call.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            match call.as_str() {
                "get_opt" | "get" | "get_metadata_opt" => drop(calls.insert(format!("get {resource}"))),
                "list" | "patch" | "create" | "delete" => drop(calls.insert(format!("{call} {resource}"))),
                "logs" | "log_stream" => drop(calls.insert(format!("get {resource}/log"))),
                // Over a WebSocket it is a GET, for which servers ask for `get`, and newer ones for `create` as well.
                "portforward" => calls.extend(["get", "create"].map(|verb| format!("{verb} {resource}/portforward"))),
                other => panic!("{}: Api<{kind}> is asked for {other:?}, which no role here knows", source.path),
            }
        }
    }
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/kubernetes/operator.yaml"));
    let text = text.expect("roles");
    let mut granted = std::collections::BTreeSet::new();
    let mut resources = Vec::new();
    for line in text.lines().map(str::trim) {
        let words = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        if line.starts_with("resources:") {
            resources = words(line);
        } else if line.starts_with("verbs:") {
            let verbs = words(line);
            granted.extend(verbs.iter().flat_map(|verb| resources.iter().map(move |it| format!("{verb} {it}"))));
        }
    }
    assert_eq!(granted, calls);
}
