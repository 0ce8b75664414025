//! Real PostgreSQL servers behind the site: for each cluster whose databases the plan speaks to, a primary and a standby
//! with streaming replication. They listen where the embedded databases would, so that names, proxies and clients are the
//! same; the world goes on telling the story, and waits for the servers where they need their own time.
//!
//! All of them are started when the site is: every cluster is watched from the first moment on, so that there is nothing to
//! gain from waiting.
//!
//! What stock PostgreSQL does not have is not imitated: the `aurora_…` functions, storage that both instances share (a
//! demoted writer is rewound instead), readers with settings of their own below the writer's. Calls are not counted in the
//! site's ledger.

mod install;
mod load;
mod pair;
mod place;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::{pending, try_join_all};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::pg::{self, Databases, Instances};
use super::world::Site;
use super::world::servers::Wanted;
use crate::runbook::plan::SecretSource;
use install::Installation;
use load::Application;
use pair::Pair;
use place::Place;

/// The real servers of a site.
#[derive(Debug)]
pub struct Running {
    conductors: JoinSet<io::Result<()>>,
    end: CancellationToken,
    /// Last, because it goes when the servers are gone.
    place: Place,
}

/// Starts real servers for every cluster whose databases the plan speaks to; the others stay embedded.
///
/// # Errors
/// PostgreSQL is not installed, or a server did not start; in words.
pub async fn listen(site: &Arc<Site>) -> io::Result<(Databases, Running)> {
    let installation = Installation::find()?;
    let place = Place::make(&installation)?;
    let mut running = Running { conductors: JoinSet::new(), end: CancellationToken::new(), place };
    match running.start(site, &installation).await {
        Ok(databases) => Ok((databases, running)),
        Err(error) => {
            running.end().await;
            Err(error)
        }
    }
}

impl Running {
    async fn start(&mut self, site: &Arc<Site>, installation: &Installation) -> io::Result<Databases> {
        let (mut databases, places) = pg::places(site).await?;
        let mut making = Vec::new();
        for place in places {
            let instances = databases.open(site, place)?;
            match application(site, &instances.cluster) {
                Some(application) => making.push(make(site, installation, self.place.path(), instances, application)),
                None => databases.imitate(site, instances),
            }
        }
        for (cluster, application, pair, done) in try_join_all(making).await? {
            databases.keep(load::run(site.clone(), cluster.clone(), application));
            self.conductors.spawn(conduct(site.clone(), cluster, pair, done, self.end.clone()));
        }
        Ok(databases)
    }

    /// Returns once servers could not be made as they are wanted: the site is of no use from then on.
    pub async fn failed(&mut self) -> io::Error {
        match self.conductors.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => io::Error::other(error),
            Some(Ok(Ok(()))) | None => pending().await,
        }
    }

    /// Ends all servers; what they leave goes with this.
    pub async fn end(mut self) {
        self.end.cancel();
        while self.conductors.join_next().await.is_some() {}
    }
}

/// The application's part of a cluster, where the plan speaks SQL there.
fn application(site: &Site, cluster: &str) -> Option<Application> {
    site.read(|world| {
        let here = world.partitions.iter().find(|here| here.cluster.id == cluster)?;
        let plan = world.plan.partitions.iter().find(|plan| plan.name.as_str() == here.name)?;
        // A real server here cannot tell a good token from a bad one: what takes tokens stays embedded, where they are verified.
        let sql = plan.sql.as_ref().filter(|sql| sql.password != SecretSource::Iam)?;
        let (database, user) = (sql.database.clone(), sql.user.clone());
        Some(Application { database, user, password: here.sql_password.clone() })
    })
}

async fn make(
    site: &Arc<Site>,
    installation: &Installation,
    directory: &std::path::Path,
    Instances { cluster, instances }: Instances,
    application: Application,
) -> io::Result<(String, Application, Pair, Wanted)> {
    let mut addresses: Vec<(String, SocketAddr)> = Vec::new();
    for (id, listener) in instances {
        // The server itself listens there from now on.
        addresses.push((id, listener.local_addr()?));
    }
    let gone = || io::Error::other(format!("there is no cluster {cluster}"));
    let now = wanted(site, &cluster).ok_or_else(gone)?;
    let home = directory.join(&cluster);
    installation.make_directory(&home)?;
    let pair = Pair::make(installation, &home, &addresses, application.clone(), &now).await?;
    carried_out(site, &cluster, &now);
    Ok((cluster, application, pair, now))
}

/// Makes the servers as the world wants them, each time it wants them otherwise.
async fn conduct(
    site: Arc<Site>,
    cluster: String,
    mut pair: Pair,
    mut done: Wanted,
    end: CancellationToken,
) -> io::Result<()> {
    let mut changes = site.changes();
    let conducted = loop {
        match wanted(&site, &cluster) {
            Some(now) if now != done => {
                let carried = tokio::select! {
                    carried = pair.carry_out(&done, &now) => carried,
                    () = end.cancelled() => break Ok(()),
                };
                if carried.is_err() {
                    break carried;
                }
                carried_out(&site, &cluster, &now);
                done = now;
            }
            _ => tokio::select! {
                changed = changes.changed() => if changed.is_err() { break Ok(()) },
                () = end.cancelled() => break Ok(()),
            },
        }
    };
    pair.end().await?;
    conducted
}

fn wanted(site: &Site, cluster: &str) -> Option<Wanted> {
    site.read(|world| {
        let here = world.partitions.iter().find(|here| here.cluster.id == cluster)?;
        Some(here.cluster.wanted())
    })
}

fn carried_out(site: &Site, cluster: &str, done: &Wanted) {
    site.change(|world| {
        if let Some(here) = world.by_cluster(cluster) {
            here.cluster.carried_out(done.clone());
        }
    });
}
