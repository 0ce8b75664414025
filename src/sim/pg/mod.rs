//! The databases: one PostgreSQL server for each instance, and for each cluster a proxy that leads where its writer
//! endpoint's name leads.
//!
//! Every instance has a loopback address of its own and all share one port, as the real ones share 5432: whoever resolves
//! an endpoint's name through the site's own DNS needs nothing else. The proxies are for clients that cannot use that DNS.

mod catalog;
mod command;
mod expression;
mod query;
mod scope;
mod seen;
mod session;
mod settings;
pub(crate) mod statements;
#[cfg(test)]
mod tests;
mod token;
mod value;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::world::Site;
use crate::runbook::situation::Situation;
use session::Handlers;

/// Where the databases listen. They do so until this is dropped.
#[derive(Debug, Default)]
pub struct Databases {
    /// The port that all share.
    pub port: u16,
    /// The proxy of each cluster's writer endpoint, by cluster identifier.
    pub writers: BTreeMap<String, SocketAddr>,
    servers: JoinSet<()>,
}

/// The instances of a cluster, each with the listener at its address.
#[derive(Debug)]
pub struct Instances {
    /// Identifier of the cluster.
    pub cluster: String,
    /// Each instance's identifier, with the listener at its address.
    pub instances: Vec<(String, TcpListener)>,
}

/// How many networks are tried before giving up.
const TRIES: usize = 20;

/// Where a cluster's databases are to be reached.
#[derive(Debug)]
pub struct Place {
    cluster: String,
    instances: Vec<(String, TcpListener)>,
    /// The listener of the writer endpoint's proxy.
    endpoint: TcpListener,
}

/// Lets every instance and every writer endpoint listen, and tells the world where.
///
/// # Errors
/// No loopback network and port were free, or this system has only one loopback address.
pub async fn listen(site: Arc<Site>) -> io::Result<Databases> {
    let (mut databases, places) = places(&site).await?;
    for place in places {
        let instances = databases.open(&site, place)?;
        databases.imitate(&site, instances);
    }
    Ok(databases)
}

/// An address for every instance and every writer endpoint. Nobody answers there yet; the world knows already.
///
/// # Errors
/// As [`listen`].
pub async fn places(site: &Arc<Site>) -> io::Result<(Databases, Vec<Place>)> {
    let clusters = site.read(|world| {
        let cluster = |partition: &super::world::SitePartition| {
            let ids = partition.cluster.instances.iter().map(|instance| instance.id.clone());
            (partition.cluster.id.clone(), ids.collect::<Vec<_>>())
        };
        world.partitions.iter().map(cluster).collect::<Vec<_>>()
    });
    let wanted = clusters.iter().map(|(_, instances)| instances.len() + 1).sum();
    let mut listeners = bind(wanted).await?.into_iter();
    let mut next = || listeners.next().ok_or_else(|| io::Error::other("an address is missing"));
    let mut databases = Databases::default();
    let mut places = Vec::new();
    for (cluster, ids) in clusters {
        let mut instances = Vec::new();
        for id in ids {
            let listener = next()?;
            let address = listener.local_addr()?;
            site.change(|world| {
                let cluster = world.by_cluster(&cluster).map(|partition| &mut partition.cluster);
                if let Some(instance) = cluster.and_then(|cluster| cluster.instance_mut(&id)) {
                    instance.listens = Some(address);
                }
            });
            instances.push((id, listener));
        }
        let endpoint = next()?;
        databases.port = endpoint.local_addr()?.port();
        site.change(|world| {
            if let Some(partition) = world.by_cluster(&cluster) {
                partition.cluster.port = databases.port;
            }
        });
        places.push(Place { cluster, instances, endpoint });
    }
    Ok((databases, places))
}

impl Databases {
    /// Opens a cluster's writer endpoint; answers what is left to do: its instances.
    ///
    /// # Errors
    /// The endpoint's own address cannot be read.
    pub fn open(&mut self, site: &Arc<Site>, place: Place) -> io::Result<Instances> {
        let Place { cluster, instances, endpoint } = place;
        self.writers.insert(cluster.clone(), endpoint.local_addr()?);
        self.servers.spawn(forward(site.clone(), cluster.clone(), endpoint));
        Ok(Instances { cluster, instances })
    }

    /// Answers at the instances' addresses in this process.
    pub fn imitate(&mut self, site: &Arc<Site>, Instances { cluster, instances }: Instances) {
        for (instance, listener) in instances {
            self.servers.spawn(serve(site.clone(), cluster.clone(), instance, listener));
        }
    }

    /// Keeps a task for as long as the databases live.
    pub fn keep(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.servers.spawn(task);
    }
}

/// Binds that many addresses of one loopback network to one port: PostgreSQL's own if it is free there.
async fn bind(count: usize) -> io::Result<Vec<TcpListener>> {
    let mut last = io::Error::new(io::ErrorKind::AddrInUse, "no loopback network is free");
    for attempt in 0..TRIES {
        // A random network, so that several sites on one machine do not meet.
        let network = Ipv4Addr::new(127, fastrand::u8(64..=250), fastrand::u8(..), 0);
        let port = if attempt < TRIES / 2 { 5432 } else { 0 };
        match bind_network(network, port, count).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn bind_network(network: Ipv4Addr, mut port: u16, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses(network).take(count) {
        let listener = TcpListener::bind((address, port)).await?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The hosts of a network of 254, and of those after it: a large fleet has more instances than one network has addresses.
fn addresses(network: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
    let first = u32::from(network);
    (0_u32..).map(move |index| Ipv4Addr::from(first + index / 254 * 256 + index % 254 + 1))
}

/// Whether an instance is up, and the number of its life; none once it is gone.
fn life(site: &Site, cluster: &str, instance: &str) -> Option<u64> {
    site.read(|world| {
        let partition = world.partitions.iter().find(|partition| partition.cluster.id == cluster)?;
        // Nobody reaches it: for whoever dials, it is as if nobody listened.
        if world.holds(Situation::NetworkLost, &partition.name) {
            return None;
        }
        let instance = partition.cluster.instance(instance)?;
        instance.answers().then_some(instance.generation)
    })
}

/// One instance's server, for as long as the site lives: listens in each of its lives, cuts everything at its end.
async fn serve(site: Arc<Site>, cluster: String, instance: String, first: TcpListener) {
    let Ok(address) = first.local_addr() else { return };
    let mut changes = site.changes();
    let mut listener = Some(first);
    loop {
        let Some(now) = life(&site, &cluster, &instance) else {
            // Down: nobody listens, so that connections are refused and not left waiting.
            listener = None;
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let bound = match listener.take() {
            Some(bound) => bound,
            None => match TcpListener::bind(address).await {
                Ok(bound) => bound,
                Err(error) => {
                    tracing::warn!(%address, %error, "a simulated instance cannot listen again");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = bound.accept() => {
                    if let Ok((socket, _)) = accepted {
                        let handlers = Handlers::new(site.clone(), cluster.clone(), instance.clone());
                        sessions.spawn(converse(socket, handlers));
                    }
                }
                Some(_) = sessions.join_next() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if life(&site, &cluster, &instance) != Some(now) {
                        break;
                    }
                }
            }
        }
        // Dropping the sessions closes their sockets without a word, as a server that dies does.
        drop(sessions);
        listener = Some(bound);
    }
}

async fn converse(socket: TcpStream, handlers: Handlers) {
    let cut = handlers.cut();
    tokio::select! {
        // That a client went away is nobody's concern here.
        _ = pgwire::tokio::process_socket(socket, None, handlers) => {}
        () = cut.cancelled() => {}
    }
}

/// A cluster's writer endpoint for clients that cannot use the site's DNS: leads each new connection where the name leads.
async fn forward(site: Arc<Site>, cluster: String, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut client, _)) = accepted else { continue };
                let target = writer_address(&site, &cluster);
                connections.spawn(async move {
                    if let Some(target) = target
                        && let Ok(mut server) = TcpStream::connect(target).await
                    {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Where the name of a cluster's writer endpoint leads.
pub fn writer_address(site: &Site, cluster: &str) -> Option<SocketAddr> {
    site.read(|world| {
        let cluster = &world.partitions.iter().find(|partition| partition.cluster.id == cluster)?.cluster;
        cluster.instance(&cluster.dns_writer)?.listens
    })
}
