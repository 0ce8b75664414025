//! The ledger: every call that reached the site, so that a test can say what was asked and, above all, what was changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Counts calls by service, operation and resource. Shared by all servers.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Mutex<BTreeMap<Key, Count>>,
}

type Key = (String, String, String);

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    calls: u64,
    changing: u64,
}

/// One line of the ledger's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// Service, such as `rds`, `kubernetes`, `postgres`, `op`.
    pub service: String,
    /// Operation as the service calls it, such as `FailoverDBCluster`.
    pub operation: String,
    /// What it was about; empty where a call names nothing.
    pub resource: String,
    /// How often it was called.
    pub count: u64,
    /// How many of these calls were of the changing kind, whether or not they were then refused.
    pub changing: u64,
}

impl Ledger {
    /// Counts one call; `changes` says whether it is one that can change something.
    pub fn count(&self, service: &str, operation: &str, resource: &str, changes: bool) {
        let mut lines = self.lines();
        let count = lines.entry((service.to_owned(), operation.to_owned(), resource.to_owned())).or_default();
        count.calls += 1;
        count.changing += u64::from(changes);
    }

    /// Everything counted so far, in order of service, operation and resource.
    pub fn report(&self) -> Vec<LedgerLine> {
        self.lines()
            .iter()
            .map(|((service, operation, resource), count)| LedgerLine {
                service: service.clone(),
                operation: operation.clone(),
                resource: resource.clone(),
                count: count.calls,
                changing: count.changing,
            })
            .collect()
    }

    /// How often an operation of a service was called, whatever it was about.
    pub fn calls(&self, service: &str, operation: &str) -> u64 {
        let of_operation = |key: &Key| key.0 == service && key.1 == operation;
        self.lines().iter().filter(|(key, _)| of_operation(key)).map(|(_, count)| count.calls).sum()
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Key, Count>> {
        // A count is whole even if a holder panicked.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_what_they_were_about_and_whether_they_change() {
        let ledger = Ledger::default();
        ledger.count("rds", "DescribeDBClusters", "a", false);
        ledger.count("rds", "DescribeDBClusters", "b", false);
        ledger.count("rds", "FailoverDBCluster", "a", true);
        ledger.count("rds", "FailoverDBCluster", "a", true);
        assert_eq!(ledger.calls("rds", "DescribeDBClusters"), 2);
        let report = ledger.report();
        assert_eq!(report.len(), 3);
        let failover = report.iter().find(|line| line.operation == "FailoverDBCluster").expect("counted");
        assert_eq!((failover.count, failover.changing), (2, 2));
    }
}
