//! The site's name server: where the endpoints of its clusters and instances lead.
//!
//! As with the real one, a cluster's writer endpoint is an alias of short life for the instance that the name leads to,
//! which lags behind the instance that takes the writes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_server::proto::rr::rdata::{A, CNAME};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use super::world::aurora::Instance;
use super::world::outages::Kind as Gone;
use super::world::{Site, World};
use crate::runbook::situation::Situation;

/// Seconds for which an answer may be kept, as on Aurora.
const TTL: u32 = 5;

/// The domain for which the site answers; it refuses everything else.
const DOMAIN: &str = ".rds.amazonaws.com";

/// The name server. It answers until this is dropped.
pub struct NameServer {
    /// Where it is asked, over UDP and TCP.
    pub address: SocketAddr,
    _server: Server<Endpoints>,
}

impl std::fmt::Debug for NameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Lets the name server listen on a free loopback port.
///
/// # Errors
/// No port was free for both UDP and TCP.
pub async fn listen(site: Arc<Site>) -> io::Result<NameServer> {
    let (udp, tcp) = bind().await?;
    let address = udp.local_addr()?;
    let mut server = Server::new(Endpoints { site });
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 4096);
    Ok(NameServer { address, _server: server })
}

/// A free port for both protocols: the one that TCP gets may be taken in UDP, then another is tried.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::new(io::ErrorKind::AddrInUse, "no port is free for DNS");
    for _ in 0..20 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Answers for the endpoints of the site.
#[derive(Debug)]
struct Endpoints {
    site: Arc<Site>,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leads {
    /// To another name, and from there on.
    Alias(String),
    /// To an address; none while the instance does not listen anywhere yet.
    Address(Option<IpAddr>),
}

#[async_trait::async_trait]
impl RequestHandler for Endpoints {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        if request.request_info().is_ok_and(|info| self.is_lost(&Name::from(info.query.name().clone()))) {
            // No answer at all, as on a lost network.
            metadata.response_code = ResponseCode::ServFail;
            return ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        }
        let mut answers = Vec::new();
        metadata.response_code = match request.request_info() {
            Ok(info) if request.metadata.op_code == OpCode::Query => {
                let name = Name::from(info.query.name().clone());
                self.site.ledger.count("dns", &info.query.query_type().to_string(), &plain(&name), false);
                self.resolve(&name, info.query.query_type(), &mut answers)
            }
            Ok(_) => ResponseCode::NotImp,
            Err(_) => ResponseCode::FormErr,
        };
        let response = MessageResponseBuilder::from_message_request(request).build(metadata, &answers, [], [], []);
        handle.send_response(response).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "an answer of the site's name server could not be sent");
            let mut metadata = Metadata::new(request.metadata.id, MessageType::Response, OpCode::Query);
            metadata.response_code = ResponseCode::ServFail;
            ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() })
        })
    }
}

impl Endpoints {
    /// Whether questions for this name get lost on their way.
    fn is_lost(&self, name: &Name) -> bool {
        let name = plain(name);
        self.site.read(|world| {
            let owner = world.partitions.iter().find(|partition| {
                let cluster = &partition.cluster;
                let own = |instance: &Instance| cluster.instance_endpoint(&instance.id) == name;
                cluster.endpoint == name || cluster.reader_endpoint == name || cluster.instances.iter().any(own)
            });
            owner.is_some_and(|partition| {
                world.holds(Situation::NetworkLost, &partition.name)
                    || world.is_gone(Gone::Dns, &partition.name).is_some()
            })
        })
    }

    /// Collects the records for a name, aliases followed.
    fn resolve(&self, name: &Name, kind: RecordType, answers: &mut Vec<Record>) -> ResponseCode {
        let mut name = name.clone();
        if !plain(&name).ends_with(DOMAIN) {
            return ResponseCode::Refused;
        }
        loop {
            let Some(leads) = self.site.read(|world| leads(world, &plain(&name))) else {
                return ResponseCode::NXDomain;
            };
            match leads {
                Leads::Alias(target) => {
                    let Ok(target) = Name::from_ascii(format!("{target}.")) else { return ResponseCode::ServFail };
                    answers.push(Record::from_rdata(name, TTL, RData::CNAME(CNAME(target.clone()))));
                    if kind == RecordType::CNAME {
                        return ResponseCode::NoError;
                    }
                    name = target;
                }
                Leads::Address(address) => {
                    if let (RecordType::A, Some(IpAddr::V4(address))) = (kind, address) {
                        answers.push(Record::from_rdata(name, TTL, RData::A(A(address))));
                    }
                    return ResponseCode::NoError;
                }
            }
        }
    }
}

/// Where a name leads, in the world as it is now.
fn leads(world: &World, name: &str) -> Option<Leads> {
    world.partitions.iter().find_map(|partition| {
        let cluster = &partition.cluster;
        if cluster.endpoint == name {
            return Some(Leads::Alias(cluster.instance_endpoint(&cluster.dns_writer)));
        }
        if cluster.reader_endpoint == name {
            let reader = cluster.instances.iter().find(|instance| instance.id != cluster.dns_writer);
            return Some(Leads::Alias(
                cluster.instance_endpoint(reader.map_or(&cluster.dns_writer, |reader| &reader.id)),
            ));
        }
        let instance = cluster.instances.iter().find(|instance| cluster.instance_endpoint(&instance.id) == name)?;
        Some(Leads::Address(instance.listens.map(|address| address.ip())))
    })
}

/// The address to which a name of the site's leads now, aliases followed.
pub fn address(world: &World, name: &str) -> Option<IpAddr> {
    match leads(world, &name.to_lowercase())? {
        Leads::Alias(target) => address(world, &target),
        Leads::Address(address) => address,
    }
}

/// A name as the world has it: lowercase, without the root's dot.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_lowercase()
}
