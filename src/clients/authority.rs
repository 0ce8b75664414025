//! The authority of a name's zone. A server that caches answers for seconds what is not true any more; the authority knows
//! at once where an alias leads, such as a writer endpoint's.
//!
//! Who the authority is, is found out once, beside everything else. Where it cannot be asked, as in a network that lets
//! nobody ask outside, whoever asks goes on with the system's servers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use super::dns;

/// How long an authority may take to answer. It is asked beside nothing else, so that it must not hold anybody up.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long finding the authority may take.
const SEARCH: Duration = Duration::from_secs(5);
/// How long what was found out holds, that there is nobody to ask included.
const HOLDS: Duration = Duration::from_secs(600);
/// How many of a zone's servers are asked.
const SERVERS: usize = 3;

/// Asks the authorities of names.
#[derive(Debug, Clone)]
pub struct Authorities {
    system: TokioResolver,
    port: u16,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// Who the authority of a name is; none where there is nobody to ask, or while that is being found out.
#[derive(Debug, Clone)]
struct Known {
    since: Instant,
    authority: Option<TokioResolver>,
}

/// Where an alias leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub target: String,
    /// How long that may be kept, by the authority.
    pub ttl: Duration,
}

impl Authorities {
    /// Authorities that are found through these servers and listen at that port.
    pub fn new(system: TokioResolver, port: u16) -> Self {
        Self { system, port, known: Arc::default() }
    }

    /// Where an alias leads, by its authority. None for a name that is none, and where the authority is not known (yet) or
    /// does not answer.
    pub async fn alias(&self, host: &str) -> Option<Alias> {
        let authority = self.of(host)?;
        let name = Name::from_ascii(format!("{host}.")).ok()?;
        let answer = timeout(PATIENCE, authority.lookup(name, RecordType::CNAME)).await;
        let alias = answer.ok().and_then(Result::ok).and_then(|found| {
            found.answers().iter().find_map(|record| match &record.data {
                RData::CNAME(target) => {
                    let target = target.0.to_ascii().trim_end_matches('.').to_lowercase();
                    Some(Alias { target, ttl: Duration::from_secs(record.ttl.into()) })
                }
                _ => None,
            })
        });
        if alias.is_none() {
            // No alias, or nobody who answers: not asked again for a while.
            self.know(host, None);
        }
        alias
    }

    /// The authority of a name, as far as it is known. Where nothing is known it is found out in a task of its own.
    fn of(&self, host: &str) -> Option<TokioResolver> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        match known {
            Some(known) if known.since.elapsed() < HOLDS => known.authority,
            _ => {
                self.know(host, None);
                let (finder, host) = (self.clone(), host.to_owned());
                tokio::spawn(async move {
                    let found = timeout(SEARCH, finder.find(&host)).await.ok().flatten();
                    finder.know(&host, found);
                });
                None
            }
        }
    }

    fn know(&self, host: &str, authority: Option<TokioResolver>) {
        let known = Known { since: Instant::now(), authority };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), known);
    }

    /// The servers of the innermost zone that a name is in.
    async fn find(&self, host: &str) -> Option<TokioResolver> {
        let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        // A top-level domain is nobody's who has an endpoint.
        for first in 1..labels.len().saturating_sub(1) {
            let Ok(zone) = Name::from_ascii(format!("{}.", labels[first..].join("."))) else { continue };
            let Ok(found) = self.system.lookup(zone, RecordType::NS).await else { continue };
            let servers = found.answers().iter().filter_map(|record| match &record.data {
                RData::NS(server) => Some(server.0.clone()),
                _ => None,
            });
            let mut addresses: Vec<IpAddr> = Vec::new();
            for server in servers.take(SERVERS) {
                if let Ok(found) = self.system.lookup_ip(server).await {
                    addresses.extend(found.iter().take(1));
                }
            }
            if !addresses.is_empty() {
                return dns::asking(&addresses, self.port, PATIENCE).ok();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::atomic::{AtomicU8, Ordering};

    use hickory_server::Server;
    use hickory_server::net::runtime::Time;
    use hickory_server::proto::op::{Metadata, ResponseCode};
    use hickory_server::proto::rr::Record;
    use hickory_server::proto::rr::rdata::{A, CNAME, NS};
    use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
    use hickory_server::zone_handler::MessageResponseBuilder;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::clients::dns::Resolver;

    const ENDPOINT: &str = "orders.cluster-c1.rds.example.com";

    /// A name server whose endpoint leads to the instance of that number. It knows the zone's server and the instances.
    #[derive(Debug, Clone)]
    struct Names(Arc<AtomicU8>);

    impl Names {
        async fn listen(leads_to: u8) -> (Self, SocketAddr, Server<Self>) {
            let names = Self(Arc::new(AtomicU8::new(leads_to)));
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let address = socket.local_addr().expect("an address");
            let mut server = Server::new(names.clone());
            server.register_socket(socket);
            (names, address, server)
        }

        fn answers(&self, name: &Name, kind: RecordType) -> Vec<Record> {
            let plain = name.to_ascii().trim_end_matches('.').to_owned();
            let full = |name: &str| Name::from_ascii(format!("{name}.")).expect("a name");
            let address =
                |name: &str, last| Record::from_rdata(full(name), 5, RData::A(A(Ipv4Addr::new(127, 0, 0, last))));
            let instance = self.0.load(Ordering::Relaxed);
            let target = format!("orders-{instance}.c1.rds.example.com");
            match (plain.as_str(), kind) {
                ("rds.example.com", RecordType::NS) => {
                    vec![Record::from_rdata(name.clone(), 60, RData::NS(NS(full("ns.example.net"))))]
                }
                ("ns.example.net", RecordType::A) => vec![address("ns.example.net", 1)],
                (ENDPOINT, RecordType::A | RecordType::CNAME) => {
                    let mut answers = vec![Record::from_rdata(name.clone(), 5, RData::CNAME(CNAME(full(&target))))];
                    answers.extend((kind == RecordType::A).then(|| address(&target, instance)));
                    answers
                }
                ("orders-1.c1.rds.example.com", RecordType::A) => vec![address(&plain, 1)],
                ("orders-2.c1.rds.example.com", RecordType::A) => vec![address(&plain, 2)],
                _ => Vec::new(),
            }
        }
    }

    #[async_trait::async_trait]
    impl RequestHandler for Names {
        async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
            let mut metadata = Metadata::response_from_request(&request.metadata);
            metadata.response_code = ResponseCode::NoError;
            let query = request.request_info().expect("a query").query;
            let answers = self.answers(&Name::from(query.name().clone()), query.query_type());
            let response = MessageResponseBuilder::from_message_request(request).build(metadata, &answers, [], [], []);
            handle.send_response(response).await.expect("sent")
        }
    }

    /// Asks until the endpoint leads to that instance.
    async fn until_it_leads_to(resolver: &Resolver, instance: u8) {
        let wanted = IpAddr::from([127, 0, 0, instance]);
        let leads = async {
            loop {
                let resolved = resolver.resolve(ENDPOINT).await.expect("it leads somewhere");
                if resolved.addresses == [wanted] {
                    let names = [ENDPOINT.to_owned(), format!("orders-{instance}.c1.rds.example.com")];
                    assert_eq!((resolved.chain, resolved.ttl), (names.to_vec(), Duration::from_secs(5)));
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), leads).await.expect("the authority is asked");
    }

    #[tokio::test]
    async fn an_alias_is_asked_for_at_its_authority_past_a_server_that_caches() {
        let (_, cache, _caching) = Names::listen(1).await;
        let (authority, at, _answering) = Names::listen(1).await;
        let resolver = Resolver::caching(cache, at.port()).expect("a resolver");
        until_it_leads_to(&resolver, 1).await;
        authority.0.store(2, Ordering::Relaxed);
        until_it_leads_to(&resolver, 2).await;
    }

    #[tokio::test]
    async fn where_the_authority_does_not_answer_the_systems_servers_are_believed() {
        let (names, cache, _caching) = Names::listen(1).await;
        // Nobody reads what arrives there.
        let mute = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let resolver = Resolver::caching(cache, mute.local_addr().expect("an address").port()).expect("a resolver");
        until_it_leads_to(&resolver, 1).await;
        names.0.store(2, Ordering::Relaxed);
        until_it_leads_to(&resolver, 2).await;
    }
}
