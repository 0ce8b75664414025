//! What the database role may see, looked at once and then seldom: a grant may have been made meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{Reading, RightsView, Source};
use super::task::{Ask, Voice};
use crate::clients::Trouble;
use crate::clients::database::Database;
use crate::runbook::names::PartitionName;

/// Time between two looks once there was an answer.
const SELDOM: Duration = Duration::from_secs(300);

/// Asks the writer what the role may see.
#[derive(Debug)]
pub struct Rights {
    /// The partition.
    pub partition: PartitionName,
    /// Its databases; trouble if they cannot be spoken to at all.
    pub database: Result<Arc<Database>, Trouble>,
    /// The cluster.
    pub described: Described,
    /// When it may be asked again.
    pub next: Option<Instant>,
}

impl Ask for Rights {
    fn period(&self, pace: Pace) -> Duration {
        pace.heavy()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        // A look that everybody is told to take at once is none for what does not change.
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let begun = Instant::now();
        let said = self.look().await;
        // What keeps the databases from answering is said by those who ask them for more than this.
        if let Ok(view) = said {
            self.next = Some(Instant::now() + SELDOM);
            voice.say(&self.partition, Source::Rights, begun, Ok(Reading::Rights(view))).await;
        }
    }
}

impl Rights {
    async fn look(&mut self) -> Result<RightsView, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?;
        let address = api::endpoint(database, &mut self.described).await?;
        let rights = database.connect(&address).await?.rights().await?;
        Ok(RightsView { gap: rights.gap() })
    }
}
