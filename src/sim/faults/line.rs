//! Connections that can be cut: every HTTP server of the site accepts its callers through these.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Server;

/// What all connections of a server hang on.
#[derive(Debug, Clone, Default)]
pub struct Cables {
    plugged: Arc<Mutex<HashMap<Server, CancellationToken>>>,
}

impl Cables {
    /// Cuts every connection of a server; later ones hold.
    pub fn cut(&self, server: &Server) {
        if let Some(all) = self.plugged.lock().unwrap_or_else(PoisonError::into_inner).remove(server) {
            all.cancel();
        }
    }

    fn line(&self, server: &Server) -> Line {
        let mut plugged = self.plugged.lock().unwrap_or_else(PoisonError::into_inner);
        Line { cut: plugged.entry(server.clone()).or_default().child_token() }
    }
}

/// A caller's connection, as whoever answers on it sees it.
#[derive(Debug, Clone)]
pub struct Line {
    cut: CancellationToken,
}

impl Line {
    /// Cuts it: nothing that is still to be said on it arrives.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}

/// The listener of a server.
#[derive(Debug)]
pub struct Lines {
    /// Where it listens.
    pub listener: TcpListener,
    /// What its connections hang on.
    pub cables: Cables,
    /// Which server it is.
    pub server: Server,
}

impl Listener for Lines {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let line = self.cables.line(&self.server);
                    let is_cut = Box::pin(line.cut.clone().cancelled_owned());
                    return (Connection { stream, line, is_cut }, address);
                }
                // A caller that went away again, or no descriptor left for a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().line.clone()
    }
}

/// A connection that ends when its line is cut.
pub struct Connection {
    stream: TcpStream,
    line: Line,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.is_cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut(context)?;
        Pin::new(&mut this.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_cut(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut(context)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
