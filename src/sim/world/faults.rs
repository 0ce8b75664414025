//! Errors that no situation is made of: a test invents one and puts it before a call, to see what is made of the unknown.

use serde::{Deserialize, Serialize};

use super::{Site, World};

/// An answer that somebody invented, instead of the one that the site would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The service as the ledger calls it: `rds`, `cloudformation`, `postgres`, `kubernetes`, or a program such as `helm`.
    pub service: String,
    /// The operation as the ledger calls it; left out: every one of the service.
    pub operation: Option<String>,
    /// The error's code, of whatever kind the service has.
    pub code: String,
    /// What it says.
    pub message: String,
    /// HTTP status, or a program's exit code.
    pub status: Option<u16>,
    /// How often it is answered.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Site {
    /// The invented error that this call is answered with, if there is one. Asked before every call, so that it only looks
    /// where nothing was invented: whoever waits for a change of the world is not woken.
    pub fn fault(&self, service: &str, operation: &str) -> Option<Fault> {
        if self.read(|world| world.faults.is_empty()) {
            return None;
        }
        self.change(|world| world.fault(service, operation))
    }
}

impl World {
    /// Puts an invented error before the calls that it names.
    pub fn invent(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Takes all of them back.
    pub fn forget(&mut self) {
        self.faults.clear();
    }

    /// The invented error that this call is answered with, if there is one; that counts as one of its times.
    fn fault(&mut self, service: &str, operation: &str) -> Option<Fault> {
        let meant = |fault: &&mut Fault| {
            fault.times > 0
                && fault.service == service
                && fault.operation.as_deref().is_none_or(|meant| meant == operation)
        };
        let fault = self.faults.iter_mut().find(meant)?;
        fault.times -= 1;
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing;

    #[test]
    fn a_fault_is_met_as_often_as_it_says_and_by_whom_it_names() {
        let site = testing::site(1.0);
        site.change(|world| {
            let fault = |operation: Option<&str>, times| Fault {
                service: "rds".to_owned(),
                operation: operation.map(str::to_owned),
                code: "Odd".to_owned(),
                message: "odd".to_owned(),
                status: None,
                times,
            };
            world.invent(fault(Some("FailoverDBCluster"), 2));
            assert_eq!(world.fault("rds", "RebootDBInstance"), None);
            assert_eq!(world.fault("sts", "FailoverDBCluster"), None);
            assert!(world.fault("rds", "FailoverDBCluster").is_some());
            assert!(world.fault("rds", "FailoverDBCluster").is_some());
            assert_eq!(world.fault("rds", "FailoverDBCluster"), None);
            world.invent(fault(None, 1));
            assert!(world.fault("rds", "RebootDBInstance").is_some());
        });
    }
}
