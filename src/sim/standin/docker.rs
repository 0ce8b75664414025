//! `docker manifest inspect`: which images can be read.

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Answer;
use super::arguments::Arguments;
use crate::runbook::plan::{Prerequisite, StepKind};
use crate::runbook::situation::Situation;
use crate::sim::world::operations::Chart;
use crate::sim::world::{Site, World};

const REGISTRY: &str = "ghcr.io/arda-cards";

pub fn run(site: &Arc<Site>, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &["verbose", "insecure"], &[("-v", "verbose")]);
    let words = arguments.words();
    let ["manifest", "inspect", reference] = words.as_slice() else {
        return Answer::failed("docker: the simulated site knows `docker manifest inspect IMAGE`, nothing else\n");
    };
    site.ledger.count("docker", "manifest inspect", reference, false);
    let unpublished = site.change(|world| world.strikes_in_hand(Situation::ImageMissing)).is_some();
    if unpublished || !site.read(images).iter().any(|image| image == reference) {
        return Answer::failed("manifest unknown\n");
    }
    let digest = |what: &str| {
        let hex: String =
            Sha256::digest(format!("{what} {reference}")).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1610, "digest": digest("amd64"),
            "platform": { "architecture": "amd64", "os": "linux" },
        }],
    });
    Answer::out(format!("{manifest:#}\n"))
}

/// The images of the charts, and whatever the plan wants to be there.
fn images(world: &World) -> Vec<String> {
    let mut images = Vec::new();
    for chart in [Chart::before(), Chart::after()] {
        images.push(format!("{REGISTRY}/postgres-database-initializer:{}", chart.initializer));
        images.push(format!("{REGISTRY}/operations:{}", chart.application));
    }
    let steps = world.plan.partitions.iter().flat_map(|partition| &partition.steps);
    for step in steps {
        if let StepKind::Preflight(preflight) = &step.kind {
            images.extend(preflight.checks.iter().filter_map(|check| match check {
                Prerequisite::Image { reference } => Some(reference.clone()),
                _ => None,
            }));
        }
    }
    images
}
