//! What lets a session change the world.

use crate::journal::lock::OperatorLock;

/// Proof that this session holds the run's lock as its operator.
///
/// Every method that changes something outside asks for it, and nothing else makes one: a monitor, a replay, a check or
/// a report cannot even be written so that it changes something.
#[derive(Debug)]
pub struct Controls {
    // Held, never read: the lock is given back when the controls are.
    _lock: OperatorLock,
}

impl Controls {
    /// Takes the controls with the run's lock.
    pub fn take(lock: OperatorLock) -> Self {
        Self { _lock: lock }
    }
}
