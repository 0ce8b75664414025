//! Port-forwarding: a pod's port, led to the web application or to the writer endpoint of its partition; of a pod that
//! somebody made, to where its command leads.
//!
//! Three ways are spoken: channels over a WebSocket (kube-rs), SPDY within a WebSocket (kubectl from 1.31 on) and SPDY on
//! the upgraded connection itself (older kubectl).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::guest::{self, Routes};
use super::objects::Kind;
use super::status::Failure;
use super::{Api, Asked, spdy};
use crate::sim::dns;
use crate::sim::world::Site;
use crate::sim::world::operations::Guest;

/// Channels over a WebSocket, each message with the number of its channel in front.
const CHANNELS: &str = "v4.channel.k8s.io";

/// SPDY within the messages of a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// The protocol of the streams on a SPDY connection.
const STREAMS: &str = "portforward.k8s.io";

/// The port at which databases are expected.
const DATABASE_PORT: u16 = 5432;

/// The port at which the application listens within its pods.
const APPLICATION_PORT: u16 = 8080;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// A stream of messages to and from a client.
type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Where the ports of pods lead.
#[derive(Debug, Clone, Default)]
pub struct Backends {
    /// Web application by partition.
    pub web: BTreeMap<String, SocketAddr>,
    /// Writer endpoint by cluster identifier.
    pub writers: BTreeMap<String, SocketAddr>,
}

/// A pod whose ports are forwarded.
#[derive(Clone)]
pub struct Pod {
    name: Arc<str>,
    leads: Leads,
}

/// Where a pod's ports lead.
#[derive(Clone)]
enum Leads {
    /// The application's own.
    Application { web: Option<SocketAddr>, database: Option<SocketAddr> },
    /// To hosts by their names, which are resolved for each connection, as socat does it.
    Names(Arc<Site>, Arc<Routes>),
}

/// How a client wants to speak.
enum Way {
    Channels(Vec<u16>),
    Tunnel,
    Spdy,
}

/// Answers `…/pods/NAME/portforward` and takes over the connection.
pub fn answer(api: &Api, asked: &Asked, extensions: &mut Extensions) -> Result<Response, Failure> {
    let pod = find(api, asked)?;
    let way = way(asked)?;
    let upgrade = extensions.remove::<OnUpgrade>().ok_or_else(no_upgrade)?;
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *answer.body_mut() = Body::empty();
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    match &way {
        Way::Spdy => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
            headers.insert("x-stream-protocol-version", HeaderValue::from_static(STREAMS));
        }
        Way::Channels(_) | Way::Tunnel => {
            let key = asked.headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(no_upgrade)?;
            let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| no_upgrade())?;
            let protocol = if matches!(way, Way::Tunnel) { TUNNEL } else { CHANNELS };
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
    }
    let (api, namespace) = (api.clone(), asked.namespace().unwrap_or_default().to_owned());
    tokio::spawn(async move {
        let name = pod.name.clone();
        let serving = async {
            let Ok(upgraded) = upgrade.await.map(TokioIo::new) else { return };
            match way {
                Way::Spdy => spdy::serve(upgraded, pod).await,
                Way::Tunnel => tunnel(socket(upgraded).await, pod).await,
                Way::Channels(ports) => channels(socket(upgraded).await, pod, ports).await,
            }
        };
        // A connection to a pod does not outlive it.
        tokio::select! {
            () = serving => {}
            () = gone(&api, &namespace, &name) => {}
        }
    });
    Ok(answer)
}

impl Pod {
    /// A connection to one of its ports.
    ///
    /// # Errors
    /// Nobody listens there; in the words of a kubelet.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, String> {
        let address = match &self.leads {
            Leads::Application { database, .. } if port == DATABASE_PORT => *database,
            Leads::Application { web, .. } if port == APPLICATION_PORT => *web,
            Leads::Application { .. } => None,
            Leads::Names(site, routes) => routes.get(&port).and_then(|(host, port)| {
                site.read(|world| dns::address(world, host)).map(|address| SocketAddr::new(address, *port))
            }),
        };
        let connected = match address {
            Some(address) => TcpStream::connect(address).await,
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        };
        connected.map_err(|_| {
            format!(
                "error forwarding port {port} to pod {}, uid : failed to connect to localhost:{port} inside namespace, \
                 IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused",
                self.name
            )
        })
    }
}

fn find(api: &Api, asked: &Asked) -> Result<Pod, Failure> {
    let (namespace, name) = (asked.namespace().unwrap_or_default(), asked.name()?);
    let found = api.site.read(|world| {
        let here = |partition: &&crate::sim::world::SitePartition| {
            partition.infrastructure == *api.infrastructure && partition.operations.namespace == namespace
        };
        let partition = world.partitions.iter().find(here)?;
        if let Some(made) = partition.operations.guest(name) {
            let leads = Leads::Names(api.site.clone(), Arc::new(guest::routes(made)));
            return Some((made.runs(), Pod { name: name.into(), leads }));
        }
        let pod = partition.operations.pod(name)?;
        let web = api.backends.web.get(&partition.name).copied();
        let database = api.backends.writers.get(&partition.cluster.id).copied();
        let forwarded = Pod { name: name.into(), leads: Leads::Application { web, database } };
        Some((pod.started.is_some() && pod.deleted.is_none(), forwarded))
    });
    let (runs, pod) = found.ok_or_else(|| Failure::not_found(Kind::Pod, name))?;
    if !runs {
        return Err(Failure::bad_request(format!("unable to forward port because pod {name} is not running")));
    }
    Ok(pod)
}

fn way(asked: &Asked) -> Result<Way, Failure> {
    let lists = |name: &str, wanted: &str| names(asked.headers, name).any(|given| given.eq_ignore_ascii_case(wanted));
    if lists("upgrade", "SPDY/3.1") {
        return match lists("x-stream-protocol-version", STREAMS) {
            true => Ok(Way::Spdy),
            false => Err(unknown_protocol(STREAMS)),
        };
    }
    if !lists("upgrade", "websocket") {
        return Err(no_upgrade());
    }
    if lists("sec-websocket-protocol", TUNNEL) {
        return Ok(Way::Tunnel);
    }
    if !lists("sec-websocket-protocol", CHANNELS) {
        return Err(unknown_protocol(&format!("{CHANNELS}, {TUNNEL}")));
    }
    let ports = asked.params.get("ports").map(String::as_str).unwrap_or_default();
    let ports: Vec<u16> = ports.split(',').filter_map(|port| port.parse().ok()).filter(|port| *port > 0).collect();
    if ports.is_empty() || ports.len() > 128 {
        return Err(Failure::bad_request("query parameter \"ports\" is required: up to 128 port numbers"));
    }
    Ok(Way::Channels(ports))
}

/// The names that a header lists.
fn names<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn no_upgrade() -> Failure {
    Failure::bad_request("Upgrade request required")
}

fn unknown_protocol(known: &str) -> Failure {
    let message = format!("unable to upgrade: unable to negotiate protocol: server supports [{known}]");
    Failure::new(StatusCode::FORBIDDEN, "Forbidden", message)
}

async fn socket(upgraded: TokioIo<Upgraded>) -> Socket {
    WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await
}

/// Returns once the pod is being deleted.
async fn gone(api: &Api, namespace: &str, name: &str) {
    let mut changes = api.site.changes();
    let lives = || {
        api.site.read(|world| {
            let operations = world.partitions.iter().map(|partition| &partition.operations);
            let mut here = operations.filter(|found| found.namespace == namespace);
            here.any(|found| {
                found.pod(name).is_some_and(|pod| pod.deleted.is_none()) || found.guest(name).is_some_and(Guest::runs)
            })
        })
    };
    while lives() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// SPDY within a WebSocket: the messages' contents, one after the other, are the bytes of the connection.
async fn tunnel(mut socket: Socket, pod: Pod) {
    let (ours, theirs) = tokio::io::duplex(CHUNK);
    let mut session = tokio::spawn(spdy::serve(theirs, pod));
    let (mut reads, mut writes) = tokio::io::split(ours);
    let mut buffer = vec![0; CHUNK];
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) if writes.write_all(&bytes).await.is_ok() => {}
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => {}
                _ => break,
            },
            read = reads.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    let message = Message::Binary(Bytes::copy_from_slice(&buffer[..count]));
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
                _ => break,
            },
            _ = &mut session => break,
        }
    }
    session.abort();
    let _ = socket.close(None).await;
}

/// Channels: two for each port, the even one for data, the odd one for what went wrong.
async fn channels(mut socket: Socket, pod: Pod, ports: Vec<u16>) {
    let (to_client, mut from_ports) = mpsc::channel::<(usize, Bytes)>(16);
    let mut to_ports = Vec::new();
    let mut tasks = JoinSet::new();
    for (index, port) in ports.into_iter().enumerate() {
        // The first message of each channel says which port it is.
        for channel in [2 * index, 2 * index + 1] {
            if send(&mut socket, channel, &port.to_le_bytes()).await.is_err() {
                return;
            }
        }
        let (ours, theirs) = tokio::io::duplex(CHUNK);
        to_ports.push(ours);
        tasks.spawn(channel(pod.clone(), port, 2 * index, theirs, to_client.clone()));
    }
    drop(to_client);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let Some((channel, data)) = bytes.split_first() else { continue };
                    let port = to_ports.get_mut(usize::from(*channel) / 2).filter(|_| channel % 2 == 0);
                    let Some(port) = port else { continue };
                    // A port that takes nothing any more has said so on its own channel.
                    let _ = port.write_all(data).await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => {}
                _ => break,
            },
            data = from_ports.recv() => match data {
                Some((channel, data)) if send(&mut socket, channel, &data).await.is_ok() => {}
                _ => break,
            },
        }
    }
    let _ = socket.close(None).await;
}

/// One port of a channel connection, until either side ends.
async fn channel(
    pod: Pod,
    port: u16,
    channel: usize,
    from_client: DuplexStream,
    to_client: mpsc::Sender<(usize, Bytes)>,
) {
    let backend = match pod.connect(port).await {
        Ok(backend) => backend,
        Err(why) => {
            let _ = to_client.send((channel + 1, why.into())).await;
            return;
        }
    };
    let (mut reads, mut writes) = backend.into_split();
    let (mut client, _client_writes) = tokio::io::split(from_client);
    let up = async {
        let _ = tokio::io::copy(&mut client, &mut writes).await;
        let _ = writes.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = reads.read(&mut buffer).await {
            if to_client.send((channel, Bytes::copy_from_slice(&buffer[..count]))).await.is_err() {
                return;
            }
        }
    };
    // What the backend says is what counts; a client that says no more may still listen.
    tokio::pin!(up);
    tokio::pin!(down);
    tokio::select! {
        () = &mut down => {}
        () = &mut up => down.await,
    }
}

async fn send(socket: &mut Socket, channel: usize, data: &[u8]) -> Result<(), ()> {
    let mut message = vec![u8::try_from(channel).map_err(|_| ())?];
    message.extend_from_slice(data);
    socket.send(Message::Binary(message.into())).await.map_err(|_| ())
}
