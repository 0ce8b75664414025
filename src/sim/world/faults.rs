//! Errors that no situation is made of: a test invents one and puts it before a call, to see what is made of the unknown. Or
//! it has a call lost, before it is carried out or after it.

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
    #[serde(default)]
    pub code: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
    /// HTTP status, or a program's exit code.
    pub status: Option<u16>,
    /// How often it is answered.
    #[serde(default = "once")]
    pub times: u32,
    /// The call, or its answer, is lost; left out: the error is answered instead.
    pub lost: Option<Loss>,
}

/// How a call comes to nothing on its way, so that whoever sent it cannot tell whether it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// What is lost.
    pub what: Lost,
    /// How the caller meets it. A program ends badly, however it is lost, with the fault's message.
    pub how: Breaks,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// The call: it is not carried out, and no ledger counts it.
    Call,
    /// The answer: the call is carried out.
    Answer,
}

/// How a caller meets the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaks {
    /// The connection is cut.
    Cut,
    /// The connection is cut, and the server is gone from then on, until it is given back.
    Gone,
    /// Half an answer comes, and then the connection is cut.
    Half,
    /// HTTP 500 comes.
    Failure,
    /// Nothing comes.
    Silence,
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
        self.change(|world| world.fault(service, operation, false))
    }

    /// The loss that this call meets, if there is one. Asked before it is counted or carried out.
    pub fn loss(&self, service: &str, operation: &str) -> Option<Fault> {
        if self.read(|world| world.faults.is_empty()) {
            return None;
        }
        self.change(|world| world.fault(service, operation, true))
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
    fn fault(&mut self, service: &str, operation: &str, is_loss: bool) -> Option<Fault> {
        let meant = |fault: &&mut Fault| {
            fault.times > 0
                && fault.lost.is_some() == is_loss
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
                lost: None,
            };
            world.invent(fault(Some("FailoverDBCluster"), 2));
            assert_eq!(world.fault("rds", "RebootDBInstance", false), None);
            assert_eq!(world.fault("sts", "FailoverDBCluster", false), None);
            assert!(world.fault("rds", "FailoverDBCluster", false).is_some());
            assert!(world.fault("rds", "FailoverDBCluster", false).is_some());
            assert_eq!(world.fault("rds", "FailoverDBCluster", false), None);
            world.invent(fault(None, 1));
            assert!(world.fault("rds", "RebootDBInstance", false).is_some());
            // What loses a call answers none, and the other way round.
            let lost = Some(Loss { what: Lost::Answer, how: Breaks::Cut });
            world.invent(Fault { lost, ..fault(None, 1) });
            assert_eq!(world.fault("rds", "RebootDBInstance", false), None);
            assert!(world.fault("rds", "RebootDBInstance", true).is_some());
        });
    }
}
