//! The site's ledger: what reached it, and what of that can change something.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Calls of the changing kind, by service, operation and what they were about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    changing: BTreeMap<(String, String, String), u64>,
    /// Every call by service and operation, those that change nothing as well. How often it was made says nothing here.
    made: Made,
}

/// Calls that make no two ledgers different: what only looks comes and goes.
#[derive(Debug, Clone, Default, Eq)]
struct Made(Vec<(String, String)>);

impl PartialEq for Made {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Ledger {
    /// Of a living site.
    pub fn at(address: &str) -> Self {
        let text = ask(address, "GET", "/__sim/ledger").expect("the site answers for its ledger");
        Self::read(&text)
    }

    /// As an ended site left it.
    pub fn left_in(site: &Path) -> Self {
        let file = site.join("ledger.json");
        Self::read(&std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    fn read(text: &str) -> Self {
        let lines: Vec<Value> = serde_json::from_str(text).expect("a ledger is a list of lines");
        let word = |line: &Value, key: &str| line[key].as_str().expect("a word").to_owned();
        let changing = lines
            .iter()
            .map(|line| {
                let key = (word(line, "service"), word(line, "operation"), word(line, "resource"));
                (key, line["changing"].as_u64().expect("a count"))
            })
            .filter(|(_, count)| *count > 0);
        let mut made: Vec<_> = lines.iter().map(|line| (word(line, "service"), word(line, "operation"))).collect();
        made.sort();
        made.dedup();
        Self { changing: changing.collect(), made: Made(made) }
    }

    /// Every call that was made, by service and operation.
    pub fn calls_made(&self) -> &[(String, String)] {
        &self.made.0
    }

    /// How often a changing operation was called, whatever it was about.
    pub fn calls(&self, operation: &str) -> u64 {
        self.changing.iter().filter(|((_, known, _), _)| known == operation).map(|(_, count)| count).sum()
    }

    /// How often a changing operation was called about a thing whose name contains these words.
    pub fn calls_about(&self, operation: &str, about: &str) -> u64 {
        let of = |((_, known, resource), _): &(&(String, String, String), &u64)| {
            known == operation && resource.to_lowercase().contains(&about.to_lowercase())
        };
        self.changing.iter().filter(of).map(|(_, count)| count).sum()
    }

    /// Every changing call with its count.
    pub fn lines(&self) -> impl Iterator<Item = (&(String, String, String), u64)> {
        self.changing.iter().map(|(key, count)| (key, *count))
    }
}

/// One request of the site's own interface; none if nobody answers.
pub fn ask(address: &str, method: &str, path: &str) -> Option<String> {
    let host = address.strip_prefix("http://")?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// One request with a body; the whole answer.
pub fn send(address: &str, method: &str, path: &str, body: &str) -> String {
    let host = address.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).expect("the site listens");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("the site reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the site answers");
    answer
}
