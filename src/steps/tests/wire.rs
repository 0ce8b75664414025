//! A wire between the clients and the site on which answers get lost: a proxy for bytes, not for meanings.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the call reaches the site.
    LostBefore,
    /// The site acts, and the connection breaks before its answer is through.
    LostAfter,
    /// The site acts, and its answer never comes.
    SilentAfter,
    /// The call never reaches the site, and no answer comes.
    SilentBefore,
    /// The call never reaches the site, and its success is answered all the same.
    Swallowed,
}

/// The wire.
#[derive(Debug, Clone)]
pub struct Wire {
    /// Where the clients find it.
    pub address: SocketAddr,
    fault: Arc<Mutex<Option<(String, Fault)>>>,
}

impl Wire {
    /// A wire to the site.
    pub async fn to(site: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let wire = Self { address: listener.local_addr().expect("an address"), fault: Arc::default() };
        let shared = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let wire = shared.clone();
                tokio::spawn(async move { wire.carry(client, site).await });
            }
        });
        wire
    }

    /// The next call of that action meets this fault; and so does every later one, until it is mended.
    pub fn breaks(&self, action: &str, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((format!("Action={action}&"), fault));
    }

    /// Every call gets through again.
    pub fn mend(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn fault_of(&self, request: &str) -> Option<Fault> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.as_ref().filter(|(action, _)| request.contains(action)).map(|(_, fault)| *fault)
    }

    /// One connection, one request after the other.
    async fn carry(self, mut client: TcpStream, site: SocketAddr) {
        let Ok(mut server) = TcpStream::connect(site).await else { return };
        while let Some(request) = message(&mut client).await {
            let fault = self.fault_of(&String::from_utf8_lossy(&request));
            match fault {
                Some(Fault::LostBefore) => return,
                Some(Fault::SilentBefore) => return std::future::pending().await,
                Some(Fault::Swallowed) => {
                    let body = "<FailoverDBClusterResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
                                <FailoverDBClusterResult/><ResponseMetadata><RequestId>r-1</RequestId>\
                                </ResponseMetadata></FailoverDBClusterResponse>";
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if client.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
                None | Some(Fault::LostAfter | Fault::SilentAfter) => {}
            }
            if server.write_all(&request).await.is_err() {
                return;
            }
            let Some(answer) = message(&mut server).await else { return };
            match fault {
                Some(Fault::LostAfter) => return,
                Some(Fault::SilentAfter) => return std::future::pending().await,
                _ => {}
            }
            if client.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// One HTTP message with its body; none at the connection's end.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Some(bytes);
        }
    }
}
