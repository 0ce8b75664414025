//! Whole servers of the site that are taken away, and come back when they are given back.

use serde::{Deserialize, Serialize};

use super::World;
use crate::sim::faults::Server;

/// A server, or several, that nobody gets an answer from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// What kind of server.
    pub server: Kind,
    /// Which one: the infrastructure of a Kubernetes API or of an AWS account, the partition of a web application or of the
    /// names of a cluster, the identifier of a database's instance. Left out: all of them.
    pub name: Option<String>,
    /// What becomes of whoever asks.
    #[serde(default)]
    pub how: How,
}

/// Kinds of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// AWS.
    Aws,
    /// The name server.
    Dns,
    /// The Kubernetes API.
    Kubernetes,
    /// The web application.
    Web,
    /// A database.
    Database,
}

/// What becomes of whoever asks a server that is gone. A name server never answers then, and a database is always cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Its connections are cut, as by a server whose process has ended.
    #[default]
    Cut,
    /// It takes the connection and never says a word, as a machine that went dark behind a load balancer.
    Silent,
}

impl World {
    /// Takes a server away.
    pub fn take_away(&mut self, outage: Outage) {
        let servers: Vec<Server> = match outage.server {
            Kind::Kubernetes => self
                .accounts
                .iter()
                .filter(|account| outage.is_of(&account.infrastructure))
                .map(|account| Server::Kubernetes(account.infrastructure.clone()))
                .collect(),
            Kind::Web => self
                .partitions
                .iter()
                .filter(|partition| outage.is_of(&partition.name))
                .map(|partition| Server::Web(partition.name.clone()))
                .collect(),
            // What listens at the address of AWS are others as well; its callers are cut one by one.
            Kind::Aws | Kind::Dns | Kind::Database => Vec::new(),
        };
        if outage.how == How::Cut {
            servers.iter().for_each(|server| self.cables.cut(server));
        }
        self.outages.push(outage);
        self.databases_follow();
    }

    /// Gives all of them back.
    pub fn give_back(&mut self) {
        self.outages.clear();
        self.databases_follow();
    }

    /// What becomes of whoever asks that server; none where it is there.
    pub fn is_gone(&self, kind: Kind, name: &str) -> Option<How> {
        let gone = self.outages.iter().find(|outage| outage.server == kind && outage.is_of(name));
        gone.map(|outage| outage.how)
    }

    fn databases_follow(&mut self) {
        let gone: Vec<Outage> = self.outages.iter().filter(|outage| outage.server == Kind::Database).cloned().collect();
        for partition in &mut self.partitions {
            for instance in &mut partition.cluster.instances {
                let was_gone =
                    std::mem::replace(&mut instance.gone, gone.iter().any(|outage| outage.is_of(&instance.id)));
                if was_gone && !instance.gone {
                    instance.started = super::now();
                }
            }
        }
    }
}

impl Outage {
    fn is_of(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(name))
    }
}
