//! As much of SPDY/3.1 as port-forwarding needs: the server's side of streams that a client opens.
//!
//! For each connection that it forwards the client opens two streams with the same `requestid`: one of type `error`, which
//! it only reads, and one of type `data`. See draft-mbelshe-httpbis-spdy-00 and Kubernetes' `portforward` package.

use std::collections::HashMap;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::forward::Pod;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// The flag of a sender's last frame on a stream.
const FIN: u8 = 1;

/// The most that a frame may carry here; the format allows 16 MiB.
const FRAME_LIMIT: usize = 1 << 20;

/// The most that a block of headers may come to.
const HEADER_LIMIT: usize = 64 * 1024;

/// An empty block of headers as zlib stores it: its own header, four bytes that are a count of zero, and the empty block of
/// a sync flush, without which Go's reader waits for more.
const NO_HEADERS: [u8; 16] = [0x78, 0x01, 0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xff];

/// A frame as it came.
enum Frame {
    Control { kind: u16, flags: u8, body: Bytes },
    Data { stream: u32, flags: u8, body: Bytes },
}

/// What this side knows of a connection.
struct Session {
    pod: Pod,
    inflate: Decompress,
    frames: mpsc::Sender<Bytes>,
    replied: bool,
    /// Streams of type `error` that wait for their data stream, by request.
    errors: HashMap<String, u32>,
    /// What the client says on data streams; a closed sender is its end.
    inputs: HashMap<u32, mpsc::Sender<Bytes>>,
    forwards: JoinSet<()>,
}

/// Serves a connection until the client ends it or breaks the protocol.
pub async fn serve(transport: impl AsyncRead + AsyncWrite + Send, pod: Pod) {
    let (mut reads, mut writes) = tokio::io::split(transport);
    let (frames, mut to_send) = mpsc::channel::<Bytes>(64);
    let mut session = Session {
        pod,
        inflate: Decompress::new(true),
        frames,
        replied: false,
        errors: HashMap::new(),
        inputs: HashMap::new(),
        forwards: JoinSet::new(),
    };
    let receive = async {
        while let Ok(frame) = read_frame(&mut reads).await {
            if session.take(frame).await.is_err() {
                return;
            }
        }
    };
    let send = async {
        while let Some(frame) = to_send.recv().await {
            if writes.write_all(&frame).await.is_err() || writes.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = receive => {}
        () = send => {}
    }
}

impl Session {
    async fn take(&mut self, frame: Frame) -> io::Result<()> {
        match frame {
            Frame::Data { stream, flags, body } => {
                if let Some(input) = self.inputs.get(&stream).filter(|_| !body.is_empty()) {
                    // A forward that has ended takes nothing any more, which is its own matter.
                    let _ = input.send(body).await;
                }
                if flags & FIN != 0 {
                    self.inputs.remove(&stream);
                }
                Ok(())
            }
            Frame::Control { kind: SYN_STREAM, flags, body } => self.open(flags, body).await,
            Frame::Control { kind: HEADERS, body, .. } => {
                // Nothing is in them for us, but the compression goes on through them.
                self.headers(body.get(4..).unwrap_or_default()).map(drop)
            }
            Frame::Control { kind: RST_STREAM, body, .. } => {
                self.inputs.remove(&number(&body)?);
                Ok(())
            }
            // Odd numbers are the client's own: it wants them back.
            Frame::Control { kind: PING, body, .. } if number(&body)? % 2 == 1 => {
                self.send(control(PING, 0, &body)).await
            }
            Frame::Control { kind: GOAWAY, .. } => Err(io::ErrorKind::ConnectionAborted.into()),
            Frame::Control { .. } => Ok(()),
        }
    }

    /// Takes a new stream: an error stream waits for its data stream, a data stream is a connection to a port.
    async fn open(&mut self, flags: u8, body: Bytes) -> io::Result<()> {
        let stream = number(&body)? & 0x7fff_ffff;
        let headers = self.headers(body.get(10..).unwrap_or_default())?;
        self.reply(stream).await?;
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let request = header("requestid").to_owned();
        if header("streamtype") == "error" {
            self.errors.insert(request, stream);
            return Ok(());
        }
        let error = self.errors.remove(&request);
        let (input, from_client) = mpsc::channel(64);
        if flags & FIN == 0 {
            self.inputs.insert(stream, input);
        }
        let port = header("port").parse().unwrap_or(0);
        self.forwards.spawn(forward(self.pod.clone(), port, stream, error, from_client, self.frames.clone()));
        while self.forwards.try_join_next().is_some() {}
        Ok(())
    }

    async fn reply(&mut self, stream: u32) -> io::Result<()> {
        let mut body = BytesMut::new();
        body.put_u32(stream);
        // The compression goes on from block to block: only the first has the format's own header.
        body.put_slice(if self.replied { &NO_HEADERS[2..] } else { &NO_HEADERS });
        self.replied = true;
        self.send(control(SYN_REPLY, 0, &body)).await
    }

    async fn send(&self, frame: Bytes) -> io::Result<()> {
        self.frames.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Reads a compressed block of headers.
    fn headers(&mut self, compressed: &[u8]) -> io::Result<HashMap<String, String>> {
        let plain = decompress(&mut self.inflate, compressed)?;
        parse_headers(&plain).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Decompresses one block; the next one goes on from it.
fn decompress(inflate: &mut Decompress, compressed: &[u8]) -> io::Result<Vec<u8>> {
    let began = inflate.total_in();
    let mut plain: Vec<u8> = Vec::with_capacity(1024);
    loop {
        let used = usize::try_from(inflate.total_in() - began).unwrap_or(usize::MAX);
        let rest = compressed.get(used..).unwrap_or_default();
        if rest.is_empty() && plain.len() < plain.capacity() {
            return Ok(plain);
        }
        if plain.len() > HEADER_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        plain.reserve(1024);
        match inflate.decompress_vec(rest, &mut plain, FlushDecompress::Sync) {
            Ok(Status::Ok) => {}
            Ok(Status::BufError | Status::StreamEnd) => return Ok(plain),
            Err(error) if error.needs_dictionary().is_some() => {
                inflate.set_dictionary(&dictionary()).map_err(io::Error::other)?;
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// One forwarded connection, until the port's side ends.
async fn forward(
    pod: Pod,
    port: u16,
    stream: u32,
    error: Option<u32>,
    mut from_client: mpsc::Receiver<Bytes>,
    frames: mpsc::Sender<Bytes>,
) {
    match pod.connect(port).await {
        Ok(backend) => {
            let (mut reads, mut writes) = backend.into_split();
            let up = async {
                while let Some(bytes) = from_client.recv().await {
                    if writes.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                let _ = writes.shutdown().await;
            };
            let down = async {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = reads.read(&mut buffer).await {
                    if frames.send(data(stream, 0, &buffer[..count])).await.is_err() {
                        return;
                    }
                }
            };
            tokio::pin!(up);
            tokio::pin!(down);
            tokio::select! {
                () = &mut down => {}
                () = &mut up => down.await,
            }
        }
        Err(why) => {
            if let Some(error) = error {
                let _ = frames.send(data(error, 0, why.as_bytes())).await;
            }
        }
    }
    for ended in [Some(stream), error].into_iter().flatten() {
        let _ = frames.send(data(ended, FIN, &[])).await;
    }
}

async fn read_frame(reads: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 8];
    reads.read_exact(&mut head).await?;
    let mut head = &head[..];
    let (first, second) = (head.get_u32(), head.get_u32());
    let (flags, length) = ((second >> 24) as u8, (second & 0x00ff_ffff) as usize);
    if length > FRAME_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    reads.read_exact(&mut body).await?;
    let body = Bytes::from(body);
    if first >> 31 == 0 {
        return Ok(Frame::Data { stream: first, flags, body });
    }
    if (first >> 16) & 0x7fff != 3 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Frame::Control { kind: (first & 0xffff) as u16, flags, body })
}

fn control(kind: u16, flags: u8, body: &[u8]) -> Bytes {
    frame(0x8003_0000 | u32::from(kind), flags, body)
}

fn data(stream: u32, flags: u8, body: &[u8]) -> Bytes {
    frame(stream, flags, body)
}

fn frame(first: u32, flags: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + body.len());
    frame.put_u32(first);
    // Bodies are chunks of our own making, far below the 24 bits that the length has.
    frame.put_u32(u32::from(flags) << 24 | (body.len() as u32 & 0x00ff_ffff));
    frame.put_slice(body);
    frame.freeze()
}

/// The number with which the bodies of most control frames begin.
fn number(mut body: &[u8]) -> io::Result<u32> {
    body.try_get_u32().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Names and values, each with its length in front. Names are told apart whatever their case.
fn parse_headers(mut plain: &[u8]) -> Option<HashMap<String, String>> {
    let mut headers = HashMap::new();
    let text = |plain: &mut &[u8]| {
        let length = plain.try_get_u32().ok()? as usize;
        let (text, rest) = plain.split_at_checked(length)?;
        *plain = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    for _ in 0..plain.try_get_u32().ok()? {
        let name = text(&mut plain)?.to_lowercase();
        headers.insert(name, text(&mut plain)?);
    }
    Some(headers)
}

/// The text with which both sides' compression begins, as the format's section 2.6.10.1 gives it.
fn dictionary() -> Vec<u8> {
    let mut dictionary = Vec::with_capacity(1423);
    for word in
        WORDS.split(' ').chain(["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"])
    {
        dictionary.put_u32(word.len() as u32);
        dictionary.put_slice(word.as_bytes());
    }
    dictionary.put_slice(TAIL.as_bytes());
    dictionary
}

/// Words of the dictionary that have their length in front.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status";

/// The rest of the dictionary.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept \
    Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
    application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch\
    charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    #[test]
    fn the_dictionary_is_the_one_that_everybody_has() {
        let dictionary = dictionary();
        assert_eq!(dictionary.len(), 1423);
        let (low, high) = dictionary.iter().fold((1_u32, 0_u32), |(low, high), byte| {
            let low = (low + u32::from(*byte)) % 65_521;
            (low, (high + low) % 65_521)
        });
        assert_eq!(high << 16 | low, 0xe3c6_a7c2, "Adler-32, as compressed streams name it");
    }

    #[test]
    fn blocks_of_headers_are_read_one_after_the_other() {
        let mut deflate = Compress::new(Compression::default(), true);
        deflate.set_dictionary(&dictionary()).expect("takes it");
        let mut inflate = Decompress::new(true);
        for kind in ["error", "data"] {
            let mut plain = BytesMut::new();
            plain.put_u32(2);
            for text in ["streamtype", kind, "port", "5432"] {
                plain.put_u32(text.len() as u32);
                plain.put_slice(text.as_bytes());
            }
            let mut block = Vec::with_capacity(1024);
            deflate.compress_vec(&plain, &mut block, FlushCompress::Sync).expect("compresses");
            let headers = parse_headers(&decompress(&mut inflate, &block).expect("valid")).expect("headers");
            assert_eq!((headers["streamtype"].as_str(), headers["port"].as_str()), (kind, "5432"));
        }
    }

    #[test]
    fn an_empty_block_of_headers_is_valid_zlib() {
        let mut plain = Vec::with_capacity(16);
        let mut inflate = Decompress::new(true);
        inflate.decompress_vec(&NO_HEADERS, &mut plain, FlushDecompress::Sync).expect("first");
        inflate.decompress_vec(&NO_HEADERS[2..], &mut plain, FlushDecompress::Sync).expect("second");
        assert_eq!(plain, [0; 8]);
    }
}
