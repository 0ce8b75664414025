//! Servers and programs that answer what nobody should: each client says what happened in words that can be shown, in time, and
//! in little memory.

// The figures are printed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::config::Kubeconfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::browser::{Credentials, Visit, http_check};
use super::http_probe::HttpProbe;
use super::kubernetes::Kubernetes;
use super::program::Capture;
use super::{Aws, Trouble, TroubleKind};
use crate::runbook::plan::{AwsTarget, KubernetesTarget};
use crate::runbook::text::clean;

/// How much a server says that does not end, in bytes.
const ENDLESS: usize = 200 << 20;

/// How much more memory an answer may take, whatever it is: the limit of one, held twice where it is read, and some air.
const MOST: u64 = 80 << 20;

/// What a server answers to everything.
#[derive(Clone)]
struct Answer {
    name: &'static str,
    kind: &'static str,
    begins: Vec<u8>,
    /// Said again and again after that, until so many bytes were said.
    again: &'static [u8],
    bytes: usize,
    ends: Vec<u8>,
}

impl Answer {
    fn whole(name: &'static str, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { name, kind, begins: body.into(), again: b"", bytes: 0, ends: Vec::new() }
    }

    fn endless(name: &'static str, kind: &'static str, begins: &str, again: &'static [u8]) -> Self {
        Self { name, kind, begins: begins.into(), again, bytes: ENDLESS, ends: Vec::new() }
    }

    fn deep(name: &'static str, kind: &'static str, begins: &str, again: &'static [u8]) -> Self {
        Self { bytes: 2 << 20, ..Self::endless(name, kind, begins, again) }
    }

    async fn say(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut request = vec![0; 64 * 1024];
        if stream.read(&mut request).await? == 0 {
            return Ok(());
        }
        // No length: the end is where the connection ends.
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n", self.kind);
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.begins).await?;
        let piece = self.again.repeat((1 << 16) / self.again.len().max(1));
        let mut said = 0;
        while said < self.bytes {
            stream.write_all(&piece).await?;
            said += piece.len();
        }
        stream.write_all(&self.ends).await?;
        stream.shutdown().await
    }
}

async fn serve(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            // A client that has heard enough goes away.
            tokio::spawn(async move { answer.say(&mut stream).await });
        }
    });
    address
}

/// The most memory that this process had, in bytes. Each test is a process of its own.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Asks, and answers with what came of it, how long it took and how much more memory.
async fn asked<T>(asks: impl Future<Output = Result<T, Trouble>>) -> (Result<T, Trouble>, Duration, u64) {
    let (before, began) = (peak(), Instant::now());
    let came = tokio::time::timeout(Duration::from_secs(50), asks).await.expect("no call hangs beyond its time");
    (came, began.elapsed(), peak().saturating_sub(before))
}

fn is_fit_to_be_shown(name: &str, trouble: &Trouble) {
    let told = trouble.to_string();
    assert!(told.len() < 600, "{name}: {} bytes of {told:.200}", told.len());
    assert!(!told.is_empty() && clean(&told) == told && !told.contains('\n'), "{name}: {told:?}");
}

fn xml() -> Vec<Answer> {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>\
        <DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster><DBClusterIdentifier>&c;&c;&c;</DBClusterIdentifier></DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>";
    let start = "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters>";
    vec![
        Answer::whole("a page", "text/html", "<html>\u{1b}[2J\u{202e}Sign in to the hotel's network</html>"),
        Answer::whole("nothing", "text/xml", ""),
        Answer::whole("an entity bomb", "text/xml", bomb),
        Answer::whole("invalid UTF-8", "text/xml", [start.as_bytes(), b"\xff\xfe\xc3(</DBClusters>"].concat()),
        Answer::deep("a million elements in each other", "text/xml", start, b"<a>"),
        Answer::endless(
            "an element without end",
            "text/xml",
            start,
            b"<DBCluster><DBClusterIdentifier>x</DBClusterIdentifier></DBCluster>",
        ),
        Answer::endless(
            "a text without end",
            "text/xml",
            &format!("{start}<DBCluster><DBClusterIdentifier>"),
            b"abcdefgh",
        ),
    ]
}

fn json() -> Vec<Answer> {
    let start = r#"{"events":[{"message":""#;
    vec![
        Answer::whole("a page", "text/html", "<html>\u{1b}]0;x\u{7}Sign in</html>"),
        Answer::whole("nothing", "application/json", ""),
        Answer::whole("another shape", "application/json", r#"{"events": 7, "SecretString": [], "items": {"a": 1}}"#),
        Answer::whole("invalid UTF-8", "application/json", [start.as_bytes(), b"\xff\xfe\"}]}"].concat()),
        Answer::deep("a million lists in each other", "application/json", r#"{"unknown":"#, b"["),
        Answer::endless("a text without end", "application/json", start, b"abcdefgh"),
        Answer::endless("a list without end", "application/json", r#"{"events":["#, br#"{"message":"x"},"#),
    ]
}

async fn aws(address: &str) -> Aws {
    let target = AwsTarget { profile: None, region: "us-east-1".into(), account: None };
    Aws::at(address, &target).await
}

#[tokio::test]
async fn services_of_aws_that_answer_anything_are_borne() {
    let (mut most, mut slowest, mut calls) = (0, Duration::ZERO, 0);
    let mut told = |name: &str, came: Result<(), Trouble>, took: Duration, memory: u64| {
        if let Err(trouble) = &came {
            is_fit_to_be_shown(name, trouble);
        }
        eprintln!(
            "{name}: {took:.1?}, {} MiB more: {}",
            memory >> 20,
            came.as_ref().map_or_else(ToString::to_string, |()| "an answer".to_owned())
        );
        assert!(memory < MOST, "{name}: {} MiB", memory >> 20);
        (most, slowest, calls) = (memory.max(most), took.max(slowest), calls + 1);
    };
    for answer in xml() {
        let (name, aws) = (answer.name, aws(&serve(answer).await).await);
        let (came, took, memory) = asked(aws.rds.topology("x")).await;
        assert!(came.is_err(), "{name} is no cluster");
        told(&format!("rds: {name}"), came.map(|_| ()), took, memory);
        let (came, took, memory) = asked(aws.cloudformation.stack("x")).await;
        told(&format!("cloudformation: {name}"), came.map(|_| ()), took, memory);
    }
    for answer in json() {
        let (name, aws) = (answer.name, aws(&serve(answer).await).await);
        let (came, took, memory) = asked(aws.secrets.value("x")).await;
        told(&format!("secrets: {name}"), came.map(|_| ()), took, memory);
        let slow = aws.logs.slow_statements("x", Timestamp::UNIX_EPOCH, Duration::ZERO);
        let (came, took, memory) = asked(slow).await;
        told(&format!("logs: {name}"), came.map(|_| ()), took, memory);
    }
    eprintln!("hostile AWS: {calls} calls borne, at most {} MiB more memory and {slowest:.1?} each", most >> 20);
}

fn kubeconfig(server: &str) -> Kubeconfig {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Config","clusters":[{{"name":"c","cluster":{{"server":"{server}"}}}}],
        "users":[{{"name":"u","user":{{"token":"t"}}}}],"contexts":[{{"name":"k","context":{{"cluster":"c","user":"u"}}}}]}}"#
    );
    Kubeconfig::from_yaml(&text).unwrap()
}

#[tokio::test]
async fn a_kubernetes_that_answers_anything_is_borne() {
    let target = KubernetesTarget { context: "k".into(), namespace: "n".into() };
    for answer in json() {
        let name = answer.name;
        let kubernetes = Kubernetes::of(kubeconfig(&serve(answer).await), &target).await.unwrap();
        let (came, took, memory) = asked(kubernetes.logs("p", "c", 50)).await;
        // Whatever comes is a log; a gigantic line of it is cut.
        let length: usize = came.as_ref().map_or(0, |lines| lines.iter().map(String::len).sum());
        eprintln!("logs: {name}: {took:.1?}, {} MiB more, {length} bytes of log", memory >> 20);
        assert!(memory < MOST, "{name}: {} MiB", memory >> 20);
        assert!(came.is_err() || length <= 4 << 20, "{name}");
        let (came, took, memory) = asked(kubernetes.pods("app=x")).await;
        let Err(trouble) = came else { panic!("{name} is no list of pods") };
        is_fit_to_be_shown(name, &trouble);
        eprintln!("pods: {name}: {took:.1?}, {} MiB more: {trouble}", memory >> 20);
        // What is no list is taken apart by the library all the same.
        assert!(memory < MOST * 3, "{name}: {} MiB", memory >> 20);
    }
}

#[tokio::test]
async fn a_page_without_end_is_read_no_further_than_a_page_is_long() {
    let page = Answer::endless("a page", "text/html", "<html><form><input name=a>", b"<form><input type=text name=b '");
    let address = serve(page).await;
    let visit = Visit {
        url: address.clone(),
        api_prefix: "/v1".into(),
        limit: Duration::from_secs(20),
        screenshot: None,
        requests: Vec::new(),
    };
    let credentials = Credentials { username: "someone".into(), password: "hunter2hunter2".into() };
    let (came, took, memory) = asked(http_check(&visit, &credentials)).await;
    eprintln!("a page without end: {took:.1?}, {} MiB more", memory >> 20);
    assert!(came.is_ok(), "{came:?}");
    assert!(memory < MOST, "{} MiB", memory >> 20);
    // The probe wants the whole answer, and keeps none of it.
    let (came, took, memory) = asked(HttpProbe::new().unwrap().get(&address)).await;
    eprintln!("a probe of it: {took:.1?}, {} MiB more: {:?}", memory >> 20, came.map(|answer| answer.status));
    assert!(memory < MOST && took < Duration::from_secs(10), "{} MiB in {took:?}", memory >> 20);
}

#[tokio::test]
async fn a_program_that_talks_without_end_is_ended() {
    for script in ["yes abcdefgh", "tr '\\0' x < /dev/zero", "cat /dev/urandom >&2"] {
        let (came, took, memory) = asked(Capture::new("sh", ["-c", script]).run("op read")).await;
        let trouble = came.map(|_| ()).unwrap_err();
        eprintln!("{script}: {took:.1?}, {} MiB more: {trouble}", memory >> 20);
        assert_eq!(trouble.kind, TroubleKind::Malformed);
        assert!(trouble.message.ends_with("said more than 16 MiB and was ended"), "{trouble}");
        assert!(memory < MOST, "{script}: {} MiB", memory >> 20);
    }
}
