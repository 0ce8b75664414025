//! The rights that are shipped under `assets`, read, and held against what a site was asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Services of the ledger by their prefix in IAM.
const SERVICES: [(&str, &str); 7] = [
    ("rds", "rds"),
    ("pi", "pi"),
    ("monitoring", "cloudwatch"),
    ("logs", "logs"),
    ("secretsmanager", "secretsmanager"),
    ("sts", "sts"),
    ("cloudformation", "cloudformation"),
];

/// A file that is shipped.
pub fn asset(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/assets")).join(path)
}

/// What an IAM policy allows.
pub fn actions(who: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(asset(&format!("iam/{who}.json"))).expect("a policy");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().expect("statements");
    let mut actions = Vec::new();
    for statement in statements {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        assert!(statement["Resource"].is_string() || statement["Resource"].is_array(), "{statement}");
        match &statement["Action"] {
            Value::String(action) => actions.push(action.clone()),
            Value::Array(several) => actions.extend(several.iter().map(|it| it.as_str().expect("a name").to_owned())),
            other => panic!("{other} is no action"),
        }
    }
    let once: BTreeSet<String> = actions.iter().cloned().collect();
    assert_eq!(once.len(), actions.len(), "{who}: an action stands twice");
    assert!(!once.iter().any(|action| action.contains('*')), "{who}: {once:?}");
    once
}

/// What RBAC grants: `verb resource`.
pub fn grants(who: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(asset(&format!("kubernetes/{who}.yaml"))).expect("roles");
    let list = |line: &str, key: &str| -> Option<Vec<String>> {
        let list = line.trim().strip_prefix(key)?.trim().strip_prefix('[')?.strip_suffix(']')?;
        Some(list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect())
    };
    let (mut resources, mut grants) = (Vec::new(), BTreeSet::new());
    for line in text.lines() {
        resources = list(line, "resources:").unwrap_or(resources);
        for verb in list(line, "verbs:").unwrap_or_default() {
            grants.extend(resources.iter().map(|resource| format!("{verb} {resource}")));
        }
    }
    assert!(!grants.is_empty() && !grants.iter().any(|grant| grant.contains('*')), "{who}: {grants:?}");
    grants
}

/// The IAM action of a call in the ledger; none where it is none of AWS.
pub fn action(service: &str, operation: &str) -> Option<String> {
    let (_, prefix) = SERVICES.iter().find(|(known, _)| *known == service)?;
    Some(format!("{prefix}:{operation}"))
}

/// The right that a call to Kubernetes needs; none where it is none.
pub fn grant(service: &str, operation: &str) -> Option<String> {
    let (verb, resource) = operation.split_once(' ').filter(|_| service == "kubernetes")?;
    Some(match verb {
        "log" => format!("get {resource}/log"),
        "portforward" => format!("create {resource}/portforward"),
        _ => operation.to_owned(),
    })
}

/// Every call that somebody with these rights may not make.
pub fn missing<'a>(who: &str, calls: impl IntoIterator<Item = &'a (String, String)>) -> Vec<String> {
    let (actions, grants) = (actions(who), grants(who));
    let lacking = |(service, operation): &(String, String)| {
        let lacking = action(service, operation).filter(|action| !actions.contains(action));
        let lacking = lacking.or_else(|| grant(service, operation).filter(|grant| !grants.contains(grant)));
        lacking.map(|right| format!("the {who} lacks the right {right}"))
    };
    calls.into_iter().filter_map(lacking).collect()
}
