//! Where real servers stand behind a cluster: what they should be like, and the story that waits until they are.
//!
//! A story sets what is so and goes on; a real server needs its own time to stop, start or be promoted. So whatever happens
//! to a cluster next waits until its servers have carried out what happened before: the API never names a writer that is
//! not yet promoted. Without real servers nothing ever waits.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::aurora::{Cluster, Instance};

/// What a cluster's servers should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The instance that takes writes; none while nobody does.
    pub writer: Option<String>,
    /// Whether the application's database has the extension pg_stat_statements.
    pub extension: bool,
    /// The instances.
    pub instances: Vec<WantedServer>,
}

/// What a server should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedServer {
    /// Identifier of its instance.
    pub id: String,
    /// Whether it answers.
    pub up: bool,
    /// Another number means that its connections are cut.
    pub generation: u64,
    /// When its process started; another moment means a restart.
    pub started: Timestamp,
    /// Settings of its configuration, as `SHOW` prints them; static ones hold from its next start.
    pub settings: BTreeMap<String, String>,
}

impl Wanted {
    /// The server of that instance.
    pub fn server(&self, id: &str) -> Option<&WantedServer> {
        self.instances.iter().find(|server| server.id == id)
    }
}

/// Something that happens to a cluster.
pub type ClusterChange = Box<dyn FnOnce(&mut Cluster) + Send>;

/// How far the real servers behind a cluster are, if there are any.
#[derive(Default)]
pub struct Behind {
    done: Option<Wanted>,
    waiting: VecDeque<ClusterChange>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("done", &self.done).field("waiting", &self.waiting.len()).finish()
    }
}

impl Cluster {
    /// Lets something happen now, or as soon as the real servers have carried out what happened before.
    pub fn happen(&mut self, change: ClusterChange) {
        if self.is_ahead() || !self.behind.waiting.is_empty() {
            self.behind.waiting.push_back(change);
        } else {
            change(self);
        }
    }

    /// What the servers should be like now.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            writer: self.writer.clone(),
            extension: self.extension_created,
            instances: self.instances.iter().map(|instance| self.wanted_server(instance)).collect(),
        }
    }

    fn wanted_server(&self, instance: &Instance) -> WantedServer {
        // Static parameters that wait for a restart are in the configuration file of a real server as well.
        let waits = instance.group_status == "pending-reboot" && !self.snags.keeps(&instance.id);
        WantedServer {
            id: instance.id.clone(),
            up: instance.answers(),
            generation: instance.generation,
            started: instance.started,
            settings: if waits { self.wanted_settings(&instance.id) } else { instance.live.clone() },
        }
    }

    /// Says what the real servers are like by now, and lets happen what waited for it.
    pub fn carried_out(&mut self, done: Wanted) {
        self.behind.done = Some(done);
        while !self.is_ahead() {
            let Some(change) = self.behind.waiting.pop_front() else { return };
            change(self);
        }
    }

    /// Whether the story is ahead of its servers.
    fn is_ahead(&self) -> bool {
        self.behind.done.as_ref().is_some_and(|done| *done != self.wanted())
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::testing;

    #[test]
    fn the_story_waits_for_real_servers_and_keeps_its_order() {
        let site = testing::site(1.0);
        site.change(|world| {
            let cluster = &mut world.partition("dev").expect("dev").cluster;
            let (old, new) = (cluster.instances[0].id.clone(), cluster.instances[1].id.clone());
            cluster.carried_out(cluster.wanted());
            let (down, up) = (old.clone(), new.clone());
            cluster.happen(Box::new(move |cluster| cluster.take_down(&down)));
            cluster.happen(Box::new(move |cluster| cluster.writer = Some(up)));
            let moved = new.clone();
            cluster.happen(Box::new(move |cluster| cluster.api_writer = moved));
            // The old writer is to go down, and has not done so yet.
            assert_eq!((cluster.writer.clone(), &cluster.api_writer), (None, &old));
            cluster.carried_out(cluster.wanted());
            // Now the new one is to be promoted; the API does not know before it is.
            assert_eq!((cluster.writer.as_ref(), &cluster.api_writer), (Some(&new), &old));
            cluster.carried_out(cluster.wanted());
            assert_eq!(cluster.api_writer, new);
        });
    }
}
