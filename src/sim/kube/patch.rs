//! Patches of the deployment: a rollout restart, and nothing else that would change what runs.

use serde_json::{Map, Value};

use super::{Api, Params};
use crate::sim::world::operations::rollout;

/// Carries out a strategic-merge or merge patch of the pod template's annotations.
///
/// # Errors
/// A patch that is no JSON, or that changes anything else.
pub fn deployment(api: &Api, namespace: &str, params: &Params, body: &[u8]) -> Result<(), String> {
    let patch: Value = serde_json::from_slice(body).map_err(|error| format!("the patch is no JSON: {error}"))?;
    let annotations = template_annotations(&patch)?;
    if params.contains_key("dryRun") {
        return Ok(());
    }
    let speed = api.site.speed;
    api.site.change(|world| {
        let here = |partition: &&crate::sim::world::SitePartition| {
            partition.infrastructure == *api.infrastructure && partition.operations.namespace == namespace
        };
        let Some(partition) = world.partitions.iter().find(here) else { return };
        let name = partition.name.clone();
        let mut wanted = partition.operations.current().map(|set| set.annotations.clone()).unwrap_or_default();
        for (key, value) in annotations {
            match value.as_str() {
                Some(value) => wanted.insert(key, value.to_owned()),
                None => wanted.remove(&key),
            };
        }
        rollout::annotate(world, &name, wanted, speed);
    });
    Ok(())
}

/// The annotations that a patch sets; a null takes one away.
fn template_annotations(patch: &Value) -> Result<Map<String, Value>, String> {
    const PATH: [&str; 4] = ["spec", "template", "metadata", "annotations"];
    let mut here = patch;
    for (depth, step) in PATH.into_iter().enumerate() {
        let Some(fields) = here.as_object() else { return Err("the patch is no object".into()) };
        let may_be_there =
            |field: &str| field == step || depth == 0 && matches!(field, "kind" | "apiVersion" | "metadata");
        if let Some(other) = fields.keys().find(|field| !may_be_there(field)) {
            let at = PATH[..depth].join(".");
            return Err(format!("{at}.{other}: the simulated site lets only {} be changed", PATH.join(".")));
        }
        here = fields.get(step).ok_or_else(|| format!("the patch has no {}", PATH.join(".")))?;
    }
    here.as_object().cloned().ok_or_else(|| "annotations: not an object".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_templates_annotations_may_be_patched() {
        let restart = json!({ "spec": { "template": { "metadata": { "annotations": { "a": "1" } } } } });
        assert_eq!(template_annotations(&restart).expect("a restart")["a"], "1");
        let scale = json!({ "spec": { "replicas": 0 } });
        assert!(template_annotations(&scale).expect_err("refused").contains("spec.replicas"));
    }
}
