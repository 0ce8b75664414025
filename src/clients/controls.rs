//! What lets a session change the world.

use crate::journal::lock::OperatorLock;

/// Proof that this session holds the run's lock as its operator.
///
/// Every method that changes something outside asks for it, and nothing else makes one: a monitor, a replay, a check or
/// a report cannot even be written so that it changes something. Each of these pairs differs in that one thing.
///
/// A changing call of RDS is sent with the controls, and cannot be sent without:
///
/// ```
/// # use aurora_cockpit::clients::{Controls, Trouble, rds::{Change, Rds}};
/// async fn send(rds: &Rds, controls: &Controls, change: &Change) -> Result<Option<String>, Trouble> {
///     rds.carry_out(controls, change).await
/// }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::clients::{Controls, Trouble, rds::{Change, Rds}};
/// async fn send(rds: &Rds, controls: &Controls, change: &Change) -> Result<Option<String>, Trouble> {
///     rds.carry_out(change).await
/// }
/// ```
///
/// Who has a lock can give it back, and makes no controls of it: only a session of this crate does.
///
/// ```
/// # use aurora_cockpit::{clients::Controls, journal::OperatorLock};
/// fn done(lock: OperatorLock) {
///     drop(lock);
/// }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::{clients::Controls, journal::OperatorLock};
/// fn done(lock: OperatorLock) {
///     Controls::take(lock);
/// }
/// ```
///
/// Nor are they made of nothing, by their fields or by a default:
///
/// ```
/// # use aurora_cockpit::{clients::Controls, journal::OperatorLock};
/// fn held(controls: Controls, lock: OperatorLock) -> Controls { controls }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::{clients::Controls, journal::OperatorLock};
/// fn held(controls: Controls, lock: OperatorLock) -> Controls { Controls { _lock: lock } }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::{clients::Controls, journal::OperatorLock};
/// fn held(controls: Controls, lock: OperatorLock) -> Controls { Controls::default() }
/// ```
///
/// Nor are they doubled, so that a session that gives them up has none left:
///
/// ```
/// # use aurora_cockpit::clients::Controls;
/// fn two(controls: Controls) -> Vec<Controls> { vec![controls] }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::clients::Controls;
/// fn two(controls: Controls) -> Vec<Controls> { vec![controls.clone(), controls] }
/// ```
///
/// Input to a program that runs, and a pod that leads to the databases, are changes as well:
///
/// ```
/// # use aurora_cockpit::clients::{Controls, Trouble, program::Program};
/// fn answer(program: &Program, controls: &Controls) -> Result<(), Trouble> { program.type_in(controls, b"y") }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::clients::{Controls, Trouble, program::Program};
/// fn answer(program: &Program, controls: &Controls) -> Result<(), Trouble> { program.type_in(b"y") }
/// ```
///
/// ```
/// # use aurora_cockpit::clients::{Controls, Trouble, kubernetes::Kubernetes};
/// async fn sweep(kubernetes: &Kubernetes, controls: &Controls) -> Result<(), Trouble> {
///     kubernetes.delete_bastion(controls, "aurora-cockpit-dev-1").await
/// }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::clients::{Controls, Trouble, kubernetes::Kubernetes};
/// async fn sweep(kubernetes: &Kubernetes, controls: &Controls) -> Result<(), Trouble> {
///     kubernetes.delete_bastion("aurora-cockpit-dev-1").await
/// }
/// ```
///
/// What an attempt writes with is no way around them: it looks and notes, and only [`Act`](crate::steps::Act) sends.
///
/// ```
/// # use aurora_cockpit::{clients::Controls, steps::{Act, Noting}};
/// fn controls(of: &Act) -> &Controls { &of.controls }
/// ```
///
/// ```compile_fail
/// # use aurora_cockpit::{clients::Controls, steps::{Act, Noting}};
/// fn controls(of: &Noting) -> &Controls { &of.controls }
/// ```
#[derive(Debug)]
pub struct Controls {
    // Held, never read: the lock is given back when the controls are.
    _lock: OperatorLock,
}

impl Controls {
    /// Takes the controls with the run's lock.
    pub(crate) fn take(lock: OperatorLock) -> Self {
        Self { _lock: lock }
    }
}
