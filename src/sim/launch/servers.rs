//! The site's listeners: one main address, and a port for each Kubernetes API, web application, database and the name server.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Postgres;
use crate::sim::faults::{self, Line, Lines, Server};
use crate::sim::world::Site;
use crate::sim::world::operations::life;
use crate::sim::{aws, control, dns, kube, pg, postgres_real, standin, web};

/// Where everything listens. It does so until this is dropped.
pub struct Servers {
    /// AWS, stand-ins and the site's own interface.
    pub address: SocketAddr,
    /// Kubernetes API by infrastructure.
    pub kubernetes: BTreeMap<String, SocketAddr>,
    /// Web application by partition.
    pub web: BTreeMap<String, SocketAddr>,
    /// Databases.
    pub databases: pg::Databases,
    /// Name server.
    pub names: dns::NameServer,
    real: Option<postgres_real::Running>,
    _tasks: JoinSet<io::Result<()>>,
}

impl Servers {
    /// Returns once real PostgreSQL servers could not be kept as the world wants them.
    pub async fn failed(&mut self) -> io::Error {
        match &mut self.real {
            Some(real) => real.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Ends everything, real PostgreSQL servers in order.
    pub async fn end(self) {
        if let Some(real) = self.real {
            real.end().await;
        }
    }
}

/// Opens all ports; only the main address is chosen by the caller, all others are free ports of the loopback.
pub async fn listen(site: &Arc<Site>, main: SocketAddr, end: &Arc<Notify>, postgres: Postgres) -> io::Result<Servers> {
    let mut tasks = JoinSet::new();
    let listener = TcpListener::bind(main).await.map_err(|error| {
        io::Error::new(error.kind(), format!("{main}: {error}; choose another address, port 0 takes a free one"))
    })?;
    let address = listener.local_addr()?;
    tasks.spawn(async_serve(lines(site, listener, Server::Aws), main_router(site, end)));
    let (infrastructures, partitions) = site.read(|world| {
        let infrastructures: Vec<String> =
            world.accounts.iter().map(|account| account.infrastructure.clone()).collect();
        let partitions: Vec<String> = world.partitions.iter().map(|partition| partition.name.clone()).collect();
        (infrastructures, partitions)
    });
    // Kubernetes answers once it is known where the ports of its pods lead.
    let mut clusters = Vec::new();
    for infrastructure in infrastructures {
        clusters.push((infrastructure, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?));
    }
    let kubernetes = clusters
        .iter()
        .map(|(infrastructure, listener)| Ok((infrastructure.clone(), listener.local_addr()?)))
        .collect::<io::Result<_>>()?;
    let mut applications = BTreeMap::new();
    for partition in partitions {
        let server = Server::Web(partition.clone());
        let router = faults::before(web::router(site.clone(), &partition), site, server.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        applications.insert(partition, listener.local_addr()?);
        tasks.spawn(async_serve(lines(site, listener, server), router));
    }
    site.change(|world| {
        let names: Vec<String> = world.partitions.iter().map(|partition| partition.name.clone()).collect();
        names.iter().for_each(|name| life::chatter(world, name, site.speed));
    });
    let names = dns::listen(site.clone()).await?;
    // Last: real servers are processes of their own, and nothing that fails after them would end them.
    let (databases, real) = match postgres {
        Postgres::Embedded => (pg::listen(site.clone()).await?, None),
        Postgres::Real => postgres_real::listen(site).await.map(|(databases, real)| (databases, Some(real)))?,
    };
    let backends = Arc::new(kube::Backends { web: applications.clone(), writers: databases.writers.clone() });
    for (infrastructure, listener) in clusters {
        let router = kube::router_with(site.clone(), &infrastructure, backends.clone());
        let server = Server::Kubernetes(infrastructure);
        let router = faults::before(router, site, server.clone());
        tasks.spawn(async_serve(lines(site, listener, server), router));
    }
    Ok(Servers { address, kubernetes, web: applications, databases, names, real, _tasks: tasks })
}

fn lines(site: &Site, listener: TcpListener, server: Server) -> Lines {
    Lines { listener, cables: site.read(|world| world.cables.clone()), server }
}

async fn async_serve(lines: Lines, router: Router) -> io::Result<()> {
    axum::serve(lines, router.into_make_service_with_connect_info::<Line>()).await
}

fn main_router(site: &Arc<Site>, end: &Arc<Notify>) -> Router {
    let end = end.clone();
    let ending = move || async move {
        end.notify_one();
        Json(json!({ "ending": true }))
    };
    Router::new()
        .route("/__sim/site", get(|| async { Json(json!({ "pid": std::process::id() })) }))
        .route("/__sim/end", post(ending))
        .merge(control::router(site.clone()))
        .merge(standin::router(site.clone()))
        // AWS last: it answers every path that is nobody else's.
        .merge(faults::before(aws::router(site.clone()), site, Server::Aws))
}
