//! Pods as the API shows them: what they are made of and how their containers stand.

use serde_json::{Value, json};

use super::objects::{Kind, Object, metadata, owner, time, uid};
use crate::sim::world::operations::life::{back_off, init_name};
use crate::sim::world::operations::{Chart, DATABASES, Ended, InitRun, Operations, Pod, SENTRY_SECRET};

const REGISTRY: &str = "ghcr.io/arda-cards";

/// A pod as the API shows it.
pub fn object(operations: &Operations, pod: &Pod) -> Object {
    let mut metadata = metadata(operations, Kind::Pod, &pod.name, pod.version, pod.created);
    metadata["generateName"] = json!(format!("{}-{}-", operations.name, pod.hash));
    metadata["labels"] = json!({ "app": operations.name, "pod-template-hash": pod.hash });
    metadata["ownerReferences"] = owner(operations, "ReplicaSet", &format!("{}-{}", operations.name, pod.hash));
    if let Some(deleted) = pod.deleted {
        metadata["deletionTimestamp"] = json!(time(deleted));
        metadata["deletionGracePeriodSeconds"] = json!(30);
    }
    let mut spec = spec(operations, &pod.chart);
    spec["nodeName"] = json!(node(pod));
    let json = json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status(operations, pod),
    });
    Object { name: pod.name.clone(), version: pod.version, born: pod.born, json }
}

/// What the chart puts into a pod.
pub fn spec(operations: &Operations, chart: &Chart) -> Value {
    let init = |index: usize| {
        let role = format!("{}-db", DATABASES[index]);
        json!({
            "name": init_name(index),
            "image": initializer_image(chart),
            "env": [
                { "name": "DATABASE_NAME", "value": format!("{}.{}_db", operations.namespace, DATABASES[index]) },
                { "name": "DATABASE_PASSWORD", "valueFrom": { "secretKeyRef": { "name": role, "key": "password" } } },
            ],
            "resources": {}, "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        })
    };
    let probe = json!({ "httpGet": { "path": "/health", "port": 8080, "scheme": "HTTP" }, "periodSeconds": 5 });
    json!({
        "initContainers": (0..DATABASES.len()).map(init).collect::<Vec<_>>(),
        "containers": [{
            "name": operations.name,
            "image": application_image(operations, chart),
            "ports": [{ "containerPort": 8080, "name": "http", "protocol": "TCP" }],
            "env": environment(operations, chart),
            "resources": { "requests": { "cpu": "500m", "memory": "1536Mi" }, "limits": { "memory": "2Gi" } },
            "readinessProbe": probe, "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        }],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler", "serviceAccountName": operations.name,
    })
}

fn environment(operations: &Operations, chart: &Chart) -> Value {
    let mut environment = vec![
        json!({ "name": "SENTRY_RELEASE", "value": format!("operations@{}", chart.application) }),
        json!({ "name": "SENTRY_ENVIRONMENT", "value": operations.environment }),
        json!({ "name": "SENTRY_TRACES_SAMPLE_RATE", "value": operations.sample_rate }),
    ];
    if chart.sentry {
        let key = json!({ "name": SENTRY_SECRET, "key": "SENTRY_DSN", "optional": true });
        environment.push(json!({ "name": "SENTRY_DSN", "valueFrom": { "secretKeyRef": key } }));
    }
    Value::Array(environment)
}

fn status(operations: &Operations, pod: &Pod) -> Value {
    let inits: Vec<Value> = (0..DATABASES.len()).map(|index| init_status(operations, pod, index)).collect();
    let ready_at = pod.ready.map(time).unwrap_or_else(|| time(pod.created));
    let conditions = [
        ("PodScheduled", true, time(pod.created)),
        ("Initialized", pod.initialized(), pod.started.map_or_else(|| time(pod.created), time)),
        ("ContainersReady", pod.ready.is_some(), ready_at.clone()),
        ("Ready", pod.ready.is_some(), ready_at),
    ]
    .map(|(kind, holds, at)| {
        let status = if holds { "True" } else { "False" };
        json!({ "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": at })
    });
    json!({
        "phase": if pod.started.is_some() { "Running" } else { "Pending" },
        "conditions": conditions,
        "hostIP": address(&node(pod), "10.0"),
        "podIP": address(&pod.name, "10.1"),
        "podIPs": [{ "ip": address(&pod.name, "10.1") }],
        "startTime": time(pod.created),
        "initContainerStatuses": inits,
        "containerStatuses": [main_status(operations, pod)],
        "qosClass": "Burstable",
    })
}

fn main_status(operations: &Operations, pod: &Pod) -> Value {
    let name = &operations.name;
    let ended = |ended: &Ended| terminated(pod, name, ended);
    let (state, last) = match (&pod.ended, pod.started) {
        (Some(failed), _) => (crash_loop(operations, pod, name, pod.restarts), ended(failed)),
        (None, Some(at)) => {
            (json!({ "running": { "startedAt": time(at) } }), pod.last.as_ref().map_or_else(|| json!({}), ended))
        }
        (None, None) => (waiting("PodInitializing"), json!({})),
    };
    json!({
        "name": name, "state": state, "lastState": last, "ready": pod.ready.is_some(),
        "started": pod.started.is_some() && pod.ended.is_none(), "restartCount": pod.restarts,
        "image": application_image(operations, &pod.chart), "imageID": "", "containerID": container_id(pod, "main"),
    })
}

fn init_status(operations: &Operations, pod: &Pod, index: usize) -> Value {
    let run = pod.inits.get(index);
    let begun = |run| init_state(operations, pod, index, run);
    let (state, last) = run.map_or_else(|| (waiting("PodInitializing"), json!({})), begun);
    json!({
        "name": init_name(index), "state": state, "lastState": last,
        "ready": run.is_some_and(|run| run.exit == Some(0)), "started": false,
        "restartCount": run.map_or(0, |run| run.restarts),
        "image": initializer_image(&pod.chart), "imageID": "", "containerID": container_id(pod, &init_name(index)),
    })
}

/// State and last state: a failed init container waits for its next try and shows how the last one ended.
fn init_state(operations: &Operations, pod: &Pod, index: usize, run: &InitRun) -> (Value, Value) {
    let name = init_name(index);
    let ended = |ended: &Ended| terminated(pod, &name, ended);
    match (run.exit, run.finished) {
        (Some(0), Some(finished)) => (ended(&Ended { started: run.started, finished, code: 0 }), json!({})),
        (Some(code), Some(finished)) => {
            let last = ended(&Ended { started: run.started, finished, code });
            (crash_loop(operations, pod, &name, run.restarts), last)
        }
        _ => {
            let last = run.last.as_ref().map_or_else(|| json!({}), ended);
            (json!({ "running": { "startedAt": time(run.started) } }), last)
        }
    }
}

fn terminated(pod: &Pod, container: &str, ended: &Ended) -> Value {
    json!({ "terminated": {
        "exitCode": ended.code, "reason": if ended.code == 0 { "Completed" } else { "Error" },
        "startedAt": time(ended.started), "finishedAt": time(ended.finished),
        "containerID": container_id(pod, container),
    }})
}

fn crash_loop(operations: &Operations, pod: &Pod, container: &str, restarts: i32) -> Value {
    let (namespace, name, seconds) = (&operations.namespace, &pod.name, back_off(restarts));
    let uid = uid(Kind::Pod.plural(), namespace, name);
    let pause = match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    };
    let message = format!("back-off {pause} restarting failed container={container} pod={name}_{namespace}({uid})");
    json!({ "waiting": { "reason": "CrashLoopBackOff", "message": message } })
}

fn waiting(reason: &str) -> Value {
    json!({ "waiting": { "reason": reason } })
}

fn initializer_image(chart: &Chart) -> String {
    format!("{REGISTRY}/postgres-database-initializer:{}", chart.initializer)
}

fn application_image(operations: &Operations, chart: &Chart) -> String {
    format!("{REGISTRY}/{}:{}", operations.name, chart.application)
}

fn container_id(pod: &Pod, container: &str) -> String {
    format!("containerd://{}", uid("container", &pod.name, container).replace('-', ""))
}

/// A node for the pod; the same one each time it is asked.
fn node(pod: &Pod) -> String {
    format!("ip-{}.ec2.internal", address(&pod.name[pod.name.len() - 1..], "10.0").replace('.', "-"))
}

/// An address that stays the same for the same name.
pub fn address(name: &str, network: &str) -> String {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(131).wrapping_add(u32::from(byte)));
    format!("{network}.{}.{}", sum / 254 % 254 + 1, sum % 254 + 1)
}
