//! What stands in front of every HTTP server of the site: where the stage says so, a call is throttled, answered with a
//! failure of the server's, answered by half, not answered at all, or its connection is cut. A failure may come before the
//! call took effect or after it: whoever sent it cannot tell.
//!
//! The databases and the name server ask the stage themselves whether anybody reaches them.

mod line;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::json;

use super::aws::unwell;
use super::weather::Blow;
use super::world::faults::{Breaks, Loss};
use super::world::outages::{How, Kind, Outage};
use super::world::{Site, World};
use crate::runbook::situation::Situation;
pub use line::{Cables, Line, Lines};

/// Share of the calls that are throttled. The SDK tries a read three times, so that one in three still ends in it.
const THROTTLED: f64 = 0.7;
/// Share of the calls that a server fails at.
const FAILS: f64 = 0.6;
/// For how long a server that falls silent keeps its caller waiting: longer than the cockpit waits for one try.
const SILENCE: Duration = Duration::from_secs(25);
/// How long after its first half an answer breaks off.
const BREAKS_AFTER: Duration = Duration::from_millis(50);
/// The largest answer that is held back to be cut short.
const ANSWER_LIMIT: usize = 4 << 20;

/// Which server a call is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Server {
    /// AWS, for all accounts.
    Aws,
    /// The Kubernetes API of an infrastructure.
    Kubernetes(String),
    /// The web application of a partition.
    Web(String),
}

impl Server {
    /// That it is gone; AWS for all accounts.
    fn outage(&self) -> Outage {
        let (server, name) = match self {
            Self::Aws => (Kind::Aws, None),
            Self::Kubernetes(infrastructure) => (Kind::Kubernetes, Some(infrastructure.clone())),
            Self::Web(partition) => (Kind::Web, Some(partition.clone())),
        };
        Outage { server, name, how: How::Cut }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    IsSlow(Duration),
    ConnectionIsCut,
    CutAfter,
    Throttled,
    FailsBefore(StatusCode),
    FailsAfter,
    BreaksOff,
    FallsSilent,
    NeverAnswers,
}

#[derive(Clone)]
struct Front {
    site: Arc<Site>,
    server: Server,
}

/// Puts the faults in front of a server.
pub fn before(router: Router, site: &Arc<Site>, server: Server) -> Router {
    router.layer(middleware::from_fn_with_state(Front { site: site.clone(), server }, stand_between))
}

async fn stand_between(State(front): State<Front>, request: Request, next: Next) -> Response {
    let partitions = front.partitions(request.headers());
    let was_on = front.server_fails(&partitions);
    // The call's own headers say in which protocol it is to be refused.
    let headers = request.headers().clone();
    let line = request.extensions().get::<ConnectInfo<Line>>().map(|ConnectInfo(line)| line.clone());
    match front.weathered(front.fate(&partitions, &request), &partitions, &request) {
        Fate::Arrives => {}
        Fate::IsSlow(time) => tokio::time::sleep(time).await,
        Fate::CutAfter => {
            next.run(request).await;
            line.iter().for_each(Line::cut);
            return std::future::pending().await;
        }
        Fate::ConnectionIsCut => {
            line.iter().for_each(Line::cut);
            return std::future::pending().await;
        }
        // Until its caller gives up, which drops this.
        Fate::NeverAnswers => return std::future::pending().await,
        Fate::Throttled => return front.throttled(&headers),
        Fate::FailsBefore(status) => return front.failure(status, &headers),
        Fate::FailsAfter => {
            next.run(request).await;
            return front.failure(StatusCode::INTERNAL_SERVER_ERROR, &headers);
        }
        Fate::BreaksOff => return broken_off(next.run(request).await).await,
        Fate::FallsSilent => {
            tokio::time::sleep(SILENCE).await;
            return front.failure(StatusCode::SERVICE_UNAVAILABLE, &headers);
        }
    }
    let answer = next.run(request).await;
    if let Some(loss) = answer.extensions().get::<Loss>().copied() {
        return front.lose(loss.how, answer, (line, &headers)).await;
    }
    // Trouble that begins with this very call takes its answer: it was carried out, and its caller does not learn it.
    if !was_on && front.server_fails(&partitions) {
        return front.failure(StatusCode::INTERNAL_SERVER_ERROR, &headers);
    }
    answer
}

impl Front {
    /// The partitions whose situations a call meets.
    fn partitions(&self, headers: &HeaderMap) -> Vec<String> {
        let infrastructure = match &self.server {
            Server::Web(partition) => return vec![partition.clone()],
            Server::Kubernetes(infrastructure) => Some(infrastructure.clone()),
            Server::Aws => unwell::infrastructure(&self.site, headers),
        };
        self.site.read(|world| {
            let own =
                world.partitions.iter().filter(|partition| Some(&partition.infrastructure) == infrastructure.as_ref());
            own.map(|partition| partition.name.clone()).collect()
        })
    }

    /// Whether the server was taken away, and what becomes of its callers then.
    fn gone(&self, partitions: &[String]) -> Option<How> {
        self.site.read(|world| match &self.server {
            Server::Web(partition) => world.is_gone(Kind::Web, partition),
            Server::Kubernetes(infrastructure) => world.is_gone(Kind::Kubernetes, infrastructure),
            Server::Aws => {
                let own = world.partitions.iter().find(|partition| partitions.contains(&partition.name));
                world.is_gone(Kind::Aws, own.map_or("", |partition| &partition.infrastructure))
            }
        })
    }

    fn server_fails(&self, partitions: &[String]) -> bool {
        let api = !matches!(self.server, Server::Web(_));
        api && self.site.read(|world| partitions.iter().any(|partition| world.holds(Situation::Api5xx, partition)))
    }

    fn fate(&self, partitions: &[String], request: &Request) -> Fate {
        match self.gone(partitions) {
            Some(How::Cut) => return Fate::ConnectionIsCut,
            Some(How::Silent) => return Fate::NeverAnswers,
            None => {}
        }
        const HERE: [Situation; 3] = [Situation::NetworkLost, Situation::Throttled, Situation::Api5xx];
        let on = |world: &World| partitions.iter().any(|partition| HERE.iter().any(|one| world.holds(*one, partition)));
        if !self.site.read(on) {
            return Fate::Arrives;
        }
        self.site.change(|world| {
            let fates = partitions.iter().map(|partition| self.fate_in(world, partition, request));
            fates.into_iter().find(|fate| *fate != Fate::Arrives).unwrap_or(Fate::Arrives)
        })
    }

    fn fate_in(&self, world: &mut World, partition: &str, request: &Request) -> Fate {
        if world.strikes(Situation::NetworkLost, partition) {
            return Fate::ConnectionIsCut;
        }
        let mut meets = |situation, share| {
            world.holds(situation, partition) && world.rng.f64() < share && world.strikes(situation, partition)
        };
        if self.server == Server::Aws && meets(Situation::Throttled, THROTTLED) {
            return Fate::Throttled;
        }
        let may_fail = !matches!(self.server, Server::Web(_)) && !streams(request);
        if may_fail && meets(Situation::Api5xx, FAILS) {
            return match world.rng.u8(..20) {
                0 => Fate::FallsSilent,
                1..=5 => Fate::BreaksOff,
                6..=10 => Fate::FailsAfter,
                11..=15 => Fate::FailsBefore(StatusCode::SERVICE_UNAVAILABLE),
                _ => Fate::FailsBefore(StatusCode::INTERNAL_SERVER_ERROR),
            };
        }
        Fate::Arrives
    }

    /// What the weather makes of a call. It is counted whatever else becomes of it.
    fn weathered(&self, fate: Fate, partitions: &[String], request: &Request) -> Fate {
        let server = match &self.server {
            Server::Web(_) => return fate,
            Server::Kubernetes(infrastructure) => format!("kubernetes {infrastructure}"),
            Server::Aws => {
                let of = |world: &World| {
                    let own = world.partitions.iter().find(|partition| partitions.contains(&partition.name));
                    own.map(|partition| partition.infrastructure.clone()).unwrap_or_default()
                };
                format!("aws {}", self.site.read(of))
            }
        };
        let blow = self.site.weather.meets(&server, !streams(request));
        if fate != Fate::Arrives {
            return fate;
        }
        match blow {
            None => Fate::Arrives,
            Some(Blow::Throttled) => Fate::Throttled,
            Some(Blow::FailsBefore) => Fate::FailsBefore(StatusCode::SERVICE_UNAVAILABLE),
            Some(Blow::FailsAfter) => Fate::FailsAfter,
            Some(Blow::Slow(time)) => Fate::IsSlow(time),
            Some(Blow::Truncated) => Fate::BreaksOff,
            Some(Blow::ResetBefore) => Fate::ConnectionIsCut,
            Some(Blow::ResetAfter) => Fate::CutAfter,
        }
    }

    /// That there are too many calls, in the words of the server.
    fn throttled(&self, headers: &HeaderMap) -> Response {
        if self.server == Server::Aws {
            return unwell::throttled(headers);
        }
        self.failure(StatusCode::TOO_MANY_REQUESTS, headers)
    }

    /// A call that was carried out, or was not, and of which its caller does not learn it.
    async fn lose(&self, how: Breaks, answer: Response, (line, headers): (Option<Line>, &HeaderMap)) -> Response {
        match how {
            Breaks::Failure => return self.failure(StatusCode::INTERNAL_SERVER_ERROR, headers),
            Breaks::Half => return broken_off(answer).await,
            Breaks::Gone => self.site.change(|world| world.take_away(self.server.outage())),
            Breaks::Cut | Breaks::Silence => {}
        }
        if how != Breaks::Silence {
            line.iter().for_each(Line::cut);
        }
        std::future::pending().await
    }

    /// A failure in the words of the server.
    fn failure(&self, status: StatusCode, headers: &HeaderMap) -> Response {
        if self.server == Server::Aws {
            return unwell::failure(status, headers);
        }
        let (reason, message) = match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                ("ServiceUnavailable", "the server is currently unable to handle the request")
            }
            StatusCode::TOO_MANY_REQUESTS => {
                ("TooManyRequests", "the server has received too many requests and has asked us to try again later")
            }
            _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
        };
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": status.as_u16(),
        });
        (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}

/// Whether an answer has no end of its own: a watch, a log that is followed, a connection that is taken over.
fn streams(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.contains("watch=") || query.contains("follow=") || request.headers().contains_key(header::UPGRADE)
}

/// The first half of an answer, after which the connection breaks.
async fn broken_off(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = axum::body::to_bytes(body, ANSWER_LIMIT).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let half = whole.slice(..whole.len() / 2);
    let breaks = async {
        // The first half is on its way before the connection breaks.
        tokio::time::sleep(BREAKS_AFTER).await;
        Err::<Bytes, io::Error>(io::ErrorKind::BrokenPipe.into())
    };
    let body = stream::iter([Ok(half)]).chain(stream::once(breaks));
    Response::from_parts(parts, Body::from_stream(body))
}
