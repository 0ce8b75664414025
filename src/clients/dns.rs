//! Names: where an endpoint leads right now, past every cache of this machine and, for an alias, of the network's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::RData;

use super::authority::Authorities;
use super::{Trouble, TroubleKind};

/// Environment variable that names another name server than the system's, as `host:port`.
pub const RESOLVER_VARIABLE: &str = "AURORA_COCKPIT_RESOLVER";

/// Where name servers listen.
const PORT: u16 = 53;

/// How long one server may take for one try.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks a name server. Nothing is kept: the endpoint's name moves within seconds, and a cached answer would lie.
#[derive(Debug, Clone)]
pub struct Resolver {
    inner: TokioResolver,
    /// Who is asked past the servers that may cache; none where the server that is asked is to be believed.
    authorities: Option<Authorities>,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The names on the way, the one asked for first.
    pub chain: Vec<String>,
    /// The addresses at its end.
    pub addresses: Vec<IpAddr>,
    /// The shortest time to live of the records on the way.
    pub ttl: Duration,
}

impl Resolver {
    /// The resolver that the environment names, else the system's.
    ///
    /// # Errors
    /// The variable is no `host:port`, or the system's configuration cannot be read.
    pub fn from_environment() -> Result<Self, Trouble> {
        match std::env::var(RESOLVER_VARIABLE) {
            Ok(server) if !server.is_empty() => {
                let address = server.parse().map_err(|_| {
                    let message = format!("{RESOLVER_VARIABLE} must be an address and a port, and is `{server}`");
                    Trouble::new("DNS", TroubleKind::Malformed, message)
                })?;
                Self::asking(address)
            }
            _ => Self::system(),
        }
    }

    /// A resolver that asks this server.
    ///
    /// # Errors
    /// It could not be set up.
    pub fn asking(server: SocketAddr) -> Result<Self, Trouble> {
        Ok(Self { inner: asking(&[server.ip()], server.port(), TIMEOUT)?, authorities: None })
    }

    /// As [`Self::system`], where this server stands for the system's and authorities listen at another port.
    #[cfg(test)]
    pub fn caching(server: SocketAddr, authorities: u16) -> Result<Self, Trouble> {
        let inner = asking(&[server.ip()], server.port(), TIMEOUT)?;
        Ok(Self { authorities: Some(Authorities::new(inner.clone(), authorities)), inner })
    }

    /// A resolver that asks the system's servers.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn system() -> Result<Self, Trouble> {
        let mut builder =
            hickory_resolver::Resolver::builder_tokio().map_err(|error| trouble("DNS configuration", &error))?;
        uncached(builder.options_mut(), TIMEOUT);
        let inner = builder.build().map_err(|error| trouble("DNS configuration", &error))?;
        Ok(Self { authorities: Some(Authorities::new(inner.clone(), PORT)), inner })
    }

    /// Where a name leads; an address leads to itself.
    ///
    /// # Errors
    /// `NotFound` where the name does not exist, `Unreachable` where no server answers.
    pub async fn resolve(&self, host: &str) -> Result<Resolved, Trouble> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Resolved { chain: vec![host.to_owned()], addresses: vec![address], ttl: Duration::MAX });
        }
        let alias = match &self.authorities {
            Some(authorities) => authorities.alias(host).await,
            None => None,
        };
        let Some(alias) = alias else { return self.look_up(host).await };
        // The authority says which instance it is; what that one's address is, the network knows best.
        let mut resolved = self.look_up(&alias.target).await?;
        resolved.chain.insert(0, host.to_lowercase());
        resolved.ttl = resolved.ttl.min(alias.ttl);
        Ok(resolved)
    }

    async fn look_up(&self, host: &str) -> Result<Resolved, Trouble> {
        let call = format!("DNS {host}");
        let lookup = self.inner.lookup_ip(host).await.map_err(|error| trouble(&call, &error))?;
        let mut resolved = Resolved { chain: vec![host.to_lowercase()], addresses: Vec::new(), ttl: Duration::MAX };
        for record in lookup.as_lookup().answers() {
            resolved.ttl = resolved.ttl.min(Duration::from_secs(record.ttl.into()));
            match &record.data {
                RData::CNAME(target) => {
                    resolved.chain.push(target.0.to_ascii().trim_end_matches('.').to_lowercase());
                }
                data => resolved.addresses.extend(data.ip_addr()),
            }
        }
        if resolved.addresses.is_empty() {
            return Err(Trouble::new(call, TroubleKind::NotFound, "the name leads to no address"));
        }
        Ok(resolved)
    }
}

/// A resolver that asks these servers and nobody else.
///
/// # Errors
/// It could not be set up.
pub(super) fn asking(servers: &[IpAddr], port: u16, patience: Duration) -> Result<TokioResolver, Trouble> {
    let connection = |mut connection: ConnectionConfig| {
        connection.port = port;
        connection
    };
    let server = |ip: &IpAddr| {
        let connections = vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
        NameServerConfig::new(*ip, true, connections)
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    let mut builder = hickory_resolver::Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    uncached(builder.options_mut(), patience);
    builder.build().map_err(|error| trouble("DNS", &error))
}

fn uncached(options: &mut ResolverOpts, patience: Duration) {
    options.cache_size = 0;
    options.preserve_intermediates = true;
    options.timeout = patience;
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
}

fn trouble(call: &str, error: &NetError) -> Trouble {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let code = none.response_code;
            Trouble::new(call, TroubleKind::NotFound, "the name leads to no address").with_code(code.to_string())
        }
        NetError::Dns(other) => Trouble::new(call, TroubleKind::Refused, other.to_string()),
        NetError::Timeout => Trouble::new(call, TroubleKind::Unreachable, "no name server answered in time"),
        other => Trouble::new(call, TroubleKind::Unreachable, other.to_string()),
    }
}
