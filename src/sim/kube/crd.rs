//! The definition of the one custom resource.

use serde_json::{Value, json};

use super::objects::{Kind, Object, uid};

/// The CustomResourceDefinition of external-secrets.io's ExternalSecret.
pub fn external_secrets() -> Object {
    let (kind, group) = (Kind::ExternalSecret, Kind::ExternalSecret.group());
    let name = format!("{}.{group}", kind.plural());
    let version = |(index, served): (usize, &&str)| -> Value {
        let short = served.rsplit_once('/').map_or(*served, |(_, version)| version);
        json!({
            "name": short, "served": true, "storage": index == 0, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        })
    };
    let versions: Vec<Value> = kind.versions().iter().enumerate().map(version).collect();
    let names = json!({
        "plural": kind.plural(), "singular": kind.name().to_lowercase(), "kind": kind.name(),
        "listKind": format!("{}List", kind.name()), "shortNames": kind.short_names(), "categories": ["external-secrets"],
    });
    let condition =
        |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "" });
    let json = json!({
        "kind": "CustomResourceDefinition",
        "apiVersion": Kind::Definition.api_version(),
        "metadata": {
            "name": name, "uid": uid(Kind::Definition.plural(), "", &name), "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "2024-11-05T09:12:41Z",
        },
        "spec": { "group": group, "names": names, "scope": "Namespaced", "versions": versions },
        "status": {
            "acceptedNames": names, "storedVersions": ["v1"],
            "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
        },
    });
    Object { name, version: 1, born: 1, json }
}
