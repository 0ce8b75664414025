//! The controls as a session holds them, and gives them up.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::clients::Controls;

/// The hands on the controls. Whoever acts holds them; they are given up only when nobody does.
#[derive(Debug, Clone)]
pub(super) struct Hands(Arc<RwLock<Option<Arc<Controls>>>>);

/// The controls, held for as long as this is.
#[derive(Debug)]
pub(super) struct Held {
    controls: Arc<Controls>,
    _guard: OwnedRwLockReadGuard<Option<Arc<Controls>>>,
}

impl Held {
    fn of(guard: OwnedRwLockReadGuard<Option<Arc<Controls>>>) -> Option<Self> {
        Some(Self { controls: guard.as_ref()?.clone(), _guard: guard })
    }

    /// The controls.
    pub fn controls(&self) -> Arc<Controls> {
        self.controls.clone()
    }
}

impl Hands {
    /// Hands that hold them.
    pub fn of(controls: Arc<Controls>) -> Self {
        Self(Arc::new(RwLock::new(Some(controls))))
    }

    /// Holds the controls; none where they were given up. Waits where they are about to be.
    pub async fn hold(&self) -> Option<Held> {
        Held::of(self.0.clone().read_owned().await)
    }

    /// Holds the controls; none where they were given up, or are about to be.
    pub fn hold_now(&self) -> Option<Held> {
        Held::of(self.0.clone().try_read_owned().ok()?)
    }

    /// Whether they were given up.
    pub fn are_empty(&self) -> bool {
        self.0.try_read().is_ok_and(|held| held.is_none())
    }

    /// Gives them up once nobody holds them, and does what comes before in between: nobody acts meanwhile.
    pub async fn give_up(&self, before: impl Future<Output = ()>) {
        let mut held = self.0.write().await;
        before.await;
        // The lock goes with the last of them: there is none besides.
        held.take();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::journal::lock::{OperatorLock, Owner, holder};

    fn hands(run: &std::path::Path) -> Hands {
        let lock = OperatorLock::take(run, Owner::here("ada")).expect("the lock");
        Hands::of(Arc::new(Controls::take(lock)))
    }

    #[tokio::test]
    async fn they_are_given_up_only_when_nobody_acts_and_the_lock_goes_with_them() {
        let run = tempfile::tempdir().expect("a directory");
        let hands = hands(run.path());
        let acting = hands.hold().await.expect("held");
        let giving = timeout(Duration::from_millis(50), hands.give_up(ready(())));
        assert!(giving.await.is_err(), "somebody acts");
        assert!(holder(run.path()).is_some());
        drop(acting);
        hands.give_up(ready(())).await;
        assert!(hands.are_empty() && hands.hold().await.is_none() && hands.hold_now().is_none());
        assert!(holder(run.path()).is_none(), "another session may take the run");
    }

    #[tokio::test]
    async fn nobody_takes_hold_while_they_are_being_given_up() {
        let run = tempfile::tempdir().expect("a directory");
        let hands = hands(run.path());
        let giving = tokio::spawn({
            let hands = hands.clone();
            async move { hands.give_up(pending()).await }
        });
        while hands.hold_now().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(timeout(Duration::from_millis(50), hands.hold()).await.is_err());
        assert!(holder(run.path()).is_some(), "not before what comes before is done");
        giving.abort();
    }
}
