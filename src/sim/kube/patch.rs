//! Patches of the deployment: a rollout restart, and nothing else that would change what runs.
//!
//! A patch is carried out on the object as it is, in any of the three languages; what comes of it may differ in the pod
//! template's annotations only.

use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::objects::Kind;
use super::status::Failure;
use super::{Api, Asked};
use crate::sim::world::SitePartition;
use crate::sim::world::operations::rollout;

/// Where the annotations of the pod template are.
const ANNOTATIONS: &str = "/spec/template/metadata/annotations";

/// Carries a patch out; answers the deployment as it was asked for.
///
/// # Errors
/// A language that is not spoken, a patch that cannot be applied, that was made for another state of the object, or that
/// changes anything else.
pub fn deployment(api: &Api, asked: &Asked, object: &Value, body: &[u8]) -> Result<Value, Failure> {
    let language = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let patch: Value =
        serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    let mut patched = object.clone();
    match language.split(';').next().unwrap_or_default() {
        "application/strategic-merge-patch+json" | "application/merge-patch+json" => {
            if !patch.is_object() {
                return Err(Failure::bad_request("error decoding patch: a merge patch is an object"));
            }
            merge(&mut patched, &patch);
        }
        "application/json-patch+json" => apply(&mut patched, &patch).map_err(|why| Failure::not_applicable(&why))?,
        _ => return Err(unknown_language()),
    }
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    if version(&patched) != version(object) && !version(&patched).is_null() {
        return Err(Failure::conflict(Kind::Deployment, asked.name()?));
    }
    let wanted = annotations(&patched)?;
    only_annotations_differ(asked, object, &patched)?;
    if !asked.params.contains_key("dryRun") {
        restart(api, asked.namespace().unwrap_or_default(), wanted);
    }
    Ok(patched)
}

fn restart(api: &Api, namespace: &str, annotations: Vec<(String, String)>) {
    let speed = api.site.speed;
    api.site.change(|world| {
        let here = |partition: &&SitePartition| {
            partition.infrastructure == *api.infrastructure && partition.operations.namespace == namespace
        };
        let Some(name) = world.partitions.iter().find(here).map(|partition| partition.name.clone()) else { return };
        rollout::annotate(world, &name, annotations.into_iter().collect(), speed);
    });
}

/// The annotations of the pod template.
fn annotations(deployment: &Value) -> Result<Vec<(String, String)>, Failure> {
    let no_text = || Failure::bad_request("error decoding patch: annotations are texts by name");
    match deployment.pointer(ANNOTATIONS) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(fields)) => {
            let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            fields.iter().map(pair).collect::<Option<_>>().ok_or_else(no_text)
        }
        Some(_) => Err(no_text()),
    }
}

fn only_annotations_differ(asked: &Asked, before: &Value, after: &Value) -> Result<(), Failure> {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        if let Some(metadata) = rest.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
        rest
    };
    let Some(field) = first_difference(&rest(before), &rest(after)) else { return Ok(()) };
    let why = format!("the simulated site lets only spec.template.metadata.annotations be changed, not {field}");
    Err(Failure::denied("apps", Kind::Deployment.plural(), asked.request.name.as_deref(), &why))
}

/// Path of the first field in which two values differ, with dots.
fn first_difference(before: &Value, after: &Value) -> Option<String> {
    if before == after {
        return None;
    }
    let (Some(left), Some(right)) = (before.as_object(), after.as_object()) else { return Some(String::new()) };
    let name = left.keys().chain(right.keys()).find(|name| left.get(*name) != right.get(*name))?;
    let field = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
    let rest = first_difference(&field(left), &field(right)).filter(|rest| !rest.is_empty());
    Some(rest.map_or_else(|| name.clone(), |rest| format!("{name}.{rest}")))
}

/// RFC 7396. A strategic merge differs from it in lists only, and lists are not what may be changed here.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// RFC 6902.
fn apply(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a JSON patch is a list of operations")?;
    for operation in operations {
        let text = |field: &str| operation[field].as_str().ok_or_else(|| format!("operation without {field}"));
        let (name, path) = (text("op")?, text("path")?);
        let missing = || format!("jsonpatch {name} operation does not apply: doc is missing path: {path}");
        match name {
            "test" if target.pointer(path).unwrap_or(&Value::Null) == &operation["value"] => {}
            "test" => return Err(format!("testing value {path} failed")),
            "add" => put(target, path, operation["value"].clone()).ok_or_else(missing)?,
            "remove" => drop(take(target, path).ok_or_else(missing)?),
            "replace" => *target.pointer_mut(path).ok_or_else(missing)? = operation["value"].clone(),
            "copy" => {
                let value = target.pointer(text("from")?).cloned().ok_or_else(missing)?;
                put(target, path, value).ok_or_else(missing)?;
            }
            "move" => {
                let value = take(target, text("from")?).ok_or_else(missing)?;
                put(target, path, value).ok_or_else(missing)?;
            }
            other => return Err(format!("unexpected kind: {other}")),
        }
    }
    Ok(())
}

fn put(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let (parent, last) = path.rsplit_once('/')?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => drop(fields.insert(last.replace("~1", "/").replace("~0", "~"), value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => list.insert(last.parse().ok().filter(|index| *index <= list.len())?, value),
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = path.rsplit_once('/')?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&last.replace("~1", "/").replace("~0", "~")),
        Value::Array(list) => Some(list.remove(last.parse().ok().filter(|index| *index < list.len())?)),
        _ => None,
    }
}

fn unknown_language() -> Failure {
    let message = "the body of the request was in an unknown format - accepted media types include: \
                   application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({ "spec": { "replicas": 2, "template": { "metadata": { "annotations": { "a": "1" } } } } })
    }

    #[test]
    fn patches_in_three_languages_come_to_the_same() {
        let mut merged = deployment();
        merge(
            &mut merged,
            &json!({ "spec": { "template": { "metadata": { "annotations": { "a": null, "b/c": "2" } } } } }),
        );
        let mut patched = deployment();
        let operations = json!([
            { "op": "test", "path": "/spec/replicas", "value": 2 },
            { "op": "remove", "path": format!("{ANNOTATIONS}/a") },
            { "op": "add", "path": format!("{ANNOTATIONS}/b~1c"), "value": "2" },
        ]);
        apply(&mut patched, &operations).expect("applies");
        assert_eq!(merged, patched);
        assert_eq!(annotations(&patched).expect("annotations"), [("b/c".to_owned(), "2".to_owned())]);
        let wrong = json!([{ "op": "replace", "path": "/spec/nothing/here", "value": 1 }]);
        assert!(apply(&mut patched, &wrong).expect_err("refused").contains("doc is missing path: /spec/nothing/here"));
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut other = deployment();
        other["spec"]["replicas"] = json!(0);
        assert_eq!(first_difference(&deployment(), &other).as_deref(), Some("spec.replicas"));
        assert_eq!(first_difference(&deployment(), &deployment()), None);
        other = deployment();
        other["spec"]["paused"] = json!(true);
        assert_eq!(first_difference(&deployment(), &other).as_deref(), Some("spec.paused"));
    }
}
