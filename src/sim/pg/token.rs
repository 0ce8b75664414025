//! Tokens by which IAM vouches for a role: looked at as RDS does, field by field and with the signature made anew.
//!
//! A token is the query of a presigned request to a service that nobody calls, `rds-db`; what it must hold is documented with
//! Signature Version 4 ("Authenticating Requests: Using Query Parameters") and with IAM database authentication.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::super::world::World;
use super::super::world::cloud::SECRET_KEY;

/// How long a token holds at most.
const HOLDS_S: i64 = 900;
/// How far ahead of ours the signer's clock may be.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);
/// HMAC-SHA256 takes keys in blocks of this many bytes.
const BLOCK: usize = 64;

/// What a token must be for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names of the server, lowercase.
    pub hosts: Vec<String>,
    /// Its port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Region of the cluster.
    pub region: String,
    /// Access key of the account's session, and its secret; none where the session has ended.
    pub key: Option<(String, String)>,
}

impl Wanted {
    /// What a token for that role on that instance must be for.
    pub fn of(world: &World, cluster: &str, instance: &str, user: &str) -> Option<Self> {
        let here = world.partitions.iter().find(|partition| partition.cluster.id == cluster)?;
        let account = world.accounts.iter().find(|account| account.infrastructure == here.infrastructure)?;
        let cluster = &here.cluster;
        let hosts = [cluster.endpoint.clone(), cluster.reader_endpoint.clone(), cluster.instance_endpoint(instance)];
        Some(Self {
            hosts: hosts.map(|host| host.to_lowercase()).into(),
            port: cluster.port,
            user: user.to_owned(),
            region: account.region.clone(),
            key: account.signed_in.then(|| (account.access_key.clone(), SECRET_KEY.to_owned())),
        })
    }

    /// Whether a token is for this, and holds at that moment.
    ///
    /// # Errors
    /// What is wrong with it, in a few words; a client is told no more than that it was refused.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<(), &'static str> {
        let (server, query) = token.split_once("/?").ok_or("it is no presigned request")?;
        let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let (host, port) = server.rsplit_once(':').ok_or("it names no port")?;
        if !self.hosts.contains(&host.to_lowercase()) || port.parse() != Ok(self.port) {
            return Err("it is for another server");
        }
        if field("Action") != "connect" || field("DBUser") != self.user {
            return Err("it is for another role");
        }
        if field("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" || field("X-Amz-SignedHeaders") != "host" {
            return Err("it is signed in another way");
        }
        let date = field("X-Amz-Date");
        let signed = moment(date).ok_or("it has no date")?;
        let lasts: i64 = field("X-Amz-Expires").parse().map_err(|_| "it does not say how long it holds")?;
        if !(1..=HOLDS_S).contains(&lasts) {
            return Err("it would hold for too long");
        }
        if signed > now + CLOCKS_APART || now > signed + SignedDuration::from_secs(lasts) {
            return Err("it has expired, or does not hold yet");
        }
        let (key, secret) = self.key.as_ref().ok_or("the account's session has ended")?;
        let scope = format!("{}/{}/rds-db/aws4_request", date.get(..8).unwrap_or_default(), self.region);
        if field("X-Amz-Credential") != format!("{key}/{scope}") {
            return Err("it is signed with another account's key, or for another service");
        }
        if field("X-Amz-Signature") != signature(server, &fields, date, &scope, secret) {
            return Err("its signature is wrong");
        }
        Ok(())
    }
}

fn moment(date: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The signature that the request must bear.
fn signature(server: &str, fields: &[(String, String)], date: &str, scope: &str, secret: &str) -> String {
    let mut query: Vec<String> = fields
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    query.sort();
    let nothing = hex(&Sha256::digest(b""));
    let request = format!("GET\n/\n{}\nhost:{server}\n\nhost\n{nothing}", query.join("&"));
    let told = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part.as_bytes()));
    hex(&hmac(&key, told.as_bytes()))
}

/// Percent-encoding as Signature Version 4 has it: everything but what RFC 3986 leaves unreserved.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = if key.len() > BLOCK { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let padded =
        |pad: u8| -> Vec<u8> { (0..BLOCK).map(|place| key.get(place).copied().unwrap_or_default() ^ pad).collect() };
    let inner = Sha256::digest([padded(0x36), message.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What botocore's `generate_db_auth_token` made, with a session token among the credentials.
    const TOKEN: &str = "alpha001-prod-auroracluster.cluster-c0123456789a.us-east-1.rds.amazonaws.com:5432/\
        ?Action=connect&DBUser=prod-operations.ItemDb&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260515%2Fus-east-1%2Frds-db%2Faws4_request\
        &X-Amz-Date=20260515T061622Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=session-token\
        &X-Amz-Signature=59985741f1d4ca5f30e31cdcdd781a42ba67b61ccc06be024bbc9827652d1285";

    fn wanted() -> Wanted {
        Wanted {
            hosts: vec!["alpha001-prod-auroracluster.cluster-c0123456789a.us-east-1.rds.amazonaws.com".into()],
            port: 5432,
            user: "prod-operations.ItemDb".into(),
            region: "us-east-1".into(),
            key: Some(("AKIAIOSFODNN7EXAMPLE".into(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into())),
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a moment")
    }

    #[test]
    fn the_token_of_another_signer_is_taken_and_whatever_is_changed_in_it_is_not() {
        let now = at("2026-05-15T06:20:00Z");
        assert_eq!(wanted().verify(TOKEN, now), Ok(()));
        for (what, with) in [
            ("alpha001-prod", "alpha001-demo"),
            (":5432/", ":5433/"),
            ("DBUser=prod-operations.ItemDb", "DBUser=postgres"),
            ("Action=connect", "Action=Connect"),
            ("rds-db", "rds"),
            ("20260515T061622Z", "20260515T061823Z"),
            ("X-Amz-Expires=900", "X-Amz-Expires=901"),
            ("X-Amz-Expires=900", "X-Amz-Expires=899"),
            ("session-token", "another-token"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF"),
            ("59985741", "59985742"),
            ("/?", "?"),
        ] {
            let changed = TOKEN.replacen(what, with, 1);
            assert_ne!(changed, TOKEN);
            assert!(wanted().verify(&changed, now).is_err(), "{what} made {with}");
        }
        assert!(wanted().verify(TOKEN, at("2026-05-15T06:31:23Z")).is_err(), "it has expired");
        assert!(wanted().verify(TOKEN, at("2026-05-15T06:10:00Z")).is_err(), "it does not hold yet");
        assert!(Wanted { key: None, ..wanted() }.verify(TOKEN, now).is_err(), "the session has ended");
        assert!(wanted().verify("hunter2", now).is_err());
    }
}
