//! Instances by what tells them apart: `reader1` for `alpha001-prod-auroraclusterreader1`.

use crate::runbook::plan::ClusterTarget;

/// The text with every instance of the cluster by its short name. What RDS answers is lowercased; the plan is not.
pub fn shorten(text: &str, cluster: &ClusterTarget) -> String {
    let id = cluster.id.to_lowercase();
    if id.is_empty() {
        return text.to_owned();
    }
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&id) {
        let (before, from) = rest.split_at(at);
        let after = &from[id.len()..];
        short.push_str(before);
        // The cluster's own name stays; only what goes on into an instance's name is cut.
        if !after.starts_with(|next: char| next.is_ascii_alphanumeric()) {
            short.push_str(&id);
        }
        rest = after;
    }
    short + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_called_by_what_tells_them_apart() {
        let cluster = ClusterTarget {
            id: "Alpha001-prod-AuroraCluster".to_owned(),
            expected_members: Vec::new(),
            apply_immediately: true,
            class_before: None,
            class_after: None,
            group_before: None,
            insights_retention_days: None,
            insights_mode: None,
        };
        let short = |text| shorten(text, &cluster);
        assert_eq!(short("writer moved to alpha001-prod-auroraclusterreader1"), "writer moved to reader1");
        assert_eq!(short("alpha001-prod-auroracluster is failing-over"), "alpha001-prod-auroracluster is failing-over");
        assert_eq!(short("nothing to cut"), "nothing to cut");
    }
}
