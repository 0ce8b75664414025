//! What may not be seen, each said once: the rest goes on without it.

use super::live::Live;
use super::log::{Level, LogLine, LogSource};
use crate::clients::{Trouble, TroubleKind};
use crate::watch::sample::{Gap, PodLog, Reading, Sample};

/// Lines for what turned out to be out of sight with this sample, and was not known to be before it.
pub(super) fn told(live: &Live, sample: &Sample) -> Vec<LogLine> {
    let line = |source, text| LogLine {
        at: sample.at,
        source,
        partition: Some(sample.partition.clone()),
        level: Level::Warning,
        text,
    };
    match &sample.said {
        Ok(Reading::Pods(view)) => {
            let known = |gap: &Gap| {
                live.pods.as_ref().is_some_and(|pods| pods.value.gaps.iter().any(|known| known.what == gap.what))
            };
            let new = view.gaps.iter().filter(|gap| is_denied(&gap.trouble) && !known(gap));
            new.map(|gap| line(LogSource::Pods, format!("{} may not be read: {}", gap.what, gap.loses))).collect()
        }
        Ok(Reading::PodLog(log)) => {
            let refused = |log: &PodLog| log.lines.as_ref().is_err_and(is_denied);
            if !refused(log) || live.pod_log.as_ref().is_some_and(|known| refused(&known.value)) {
                return Vec::new();
            }
            vec![line(LogSource::Pods, "the pods' logs may not be read: their last lines are not seen".to_owned())]
        }
        Ok(Reading::Rights(view)) => {
            let known = live.rights.as_ref().and_then(|known| known.value.gap.as_ref());
            let gap = view.gap.as_ref().filter(|gap| known != Some(gap));
            gap.map(|gap| line(LogSource::Sql, gap.clone())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn is_denied(trouble: &Trouble) -> bool {
    trouble.kind == TroubleKind::Denied
}
