//! Parses addresses and creates clients.

use core::time::Duration;
use std::path::PathBuf;

use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use ::redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult};

use super::fault::KIND;
use crate::store::{ErrorKind, StoreError};
use crate::url::{Address, Host};

/// The settings of a store.
#[derive(Clone)]
pub(super) struct Settings {
    topology: Topology,
    tls: bool,
    user: Option<String>,
    password: Option<String>,
    sentinel_user: Option<String>,
    sentinel_password: Option<String>,
    database: i64,
    /// The timeout of one call, connecting included.
    pub(super) timeout: Duration,
    /// The maximum number of connections, at least 1.
    pub(super) connections: u32,
    /// The number of replicas that must confirm a deletion, and their time limit.
    pub(super) confirmed_by: Option<(u32, Duration)>,
    /// Certificates to trust instead of the system's, as PEM.
    #[cfg(feature = "redis-tls")]
    pub(super) root_certificates: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Topology {
    Server(Host),
    Socket(PathBuf),
    Cluster(Vec<Host>),
    Sentinel { hosts: Vec<Host>, master: String },
}

/// A client that opens connections.
pub(super) enum Connector {
    Server(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

impl Settings {
    /// Parses an address; the forms are those that [`RedisStore`](super::RedisStore) documents.
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let mut address = Address::parse(KIND, text)?;
        let scheme = address.scheme.clone();
        let (base, form) = scheme.split_once('+').map_or((scheme.as_str(), None), |(b, f)| (b, Some(f)));
        let (tls, form) = match (base, form) {
            ("unix", None) => (false, Some("unix")),
            ("redis" | "valkey", form) => (false, form),
            ("rediss" | "valkeys", form) => (true, form),
            _ => return Err(misconfigured("the scheme of the address is not one for Redis or Valkey")),
        };
        if tls && cfg!(not(feature = "redis-tls")) {
            return Err(misconfigured("TLS needs the feature redis-tls of hipflask-store"));
        }
        let (topology, database) = topology(&address, form)?;
        let database = match address.take("db") {
            Some(database) => Some(database),
            None => database,
        };
        let mut settings = Self {
            topology,
            tls,
            user: address.user.take(),
            password: address.password.take(),
            sentinel_user: address.take("sentinel_user"),
            sentinel_password: address.take("sentinel_password"),
            database: address.number("database", database)?.unwrap_or(0),
            timeout: DEFAULT_TIMEOUT,
            connections: DEFAULT_CONNECTIONS,
            confirmed_by: None,
            #[cfg(feature = "redis-tls")]
            root_certificates: None,
        };
        if let Some(timeout) = address.take_timeout()? {
            settings.timeout = timeout;
        }
        if let Some(connections) = address.take_number::<u32>("connections")? {
            if !(1..=MAX_CONNECTIONS).contains(&connections) {
                return Err(misconfigured("`connections` in the address is not a number from 1 to 100"));
            }
            settings.connections = connections;
        }
        if let Some(replicas) = address.take_number::<u32>("wait_replicas")? {
            settings.confirmed_by = Some((replicas, DEFAULT_WAIT));
        }
        #[cfg(feature = "redis-tls")]
        if let Some(file) = address.take("ca") {
            settings.root_certificates = Some(std::fs::read(file).map_err(|error| {
                misconfigured("the file of `ca=` in the address is unreadable").caused_by(error)
            })?);
        }
        address.finish()?;
        Ok(settings)
    }

    /// Creates the client, without connecting.
    pub(super) fn connector(&self) -> RedisResult<Connector> {
        #[cfg(feature = "redis-tls")]
        if self.tls {
            // rustls cannot choose by itself if another crate adds a second provider. The first one
            // installed wins.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        match &self.topology {
            Topology::Server(host) => self.client(self.tcp(host)).map(Box::new).map(Connector::Server),
            Topology::Socket(path) => {
                self.client(ConnectionAddr::Unix(path.clone())).map(Box::new).map(Connector::Server)
            }
            Topology::Cluster(hosts) => self.cluster(hosts).map(Box::new).map(Connector::Cluster),
            Topology::Sentinel { hosts, master } => {
                self.sentinel(hosts, master).map(Box::new).map(Connector::Sentinel)
            }
        }
    }

    fn client(&self, address: ConnectionAddr) -> RedisResult<Client> {
        let info = address
            .into_connection_info()?
            .set_redis_settings(self.account())
            .set_tcp_settings(tcp_settings(self.timeout));
        #[cfg(feature = "redis-tls")]
        if let Some(certificates) = self.certificates() {
            return Client::build_with_tls(info, certificates);
        }
        Client::open(info)
    }

    fn cluster(&self, hosts: &[Host]) -> RedisResult<ClusterClient> {
        let nodes = hosts
            .iter()
            .map(|host| Ok(self.tcp(host).into_connection_info()?.set_redis_settings(self.account())))
            .collect::<RedisResult<Vec<_>>>()?;
        let builder = ClusterClientBuilder::new(nodes)
            // The client would repeat writes whose first try may have arrived; we know better when
            // that is right.
            .retries(0)
            .connection_timeout(self.timeout)
            .response_timeout(self.timeout)
            .tcp_settings(tcp_settings(self.timeout));
        #[cfg(feature = "redis-tls")]
        let builder = match self.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        };
        builder.build()
    }

    fn sentinel(&self, hosts: &[Host], master: &str) -> RedisResult<SentinelClient> {
        let sentinels = hosts.iter().map(|host| self.address(host, SENTINEL_PORT));
        let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.database)
            .set_client_to_redis_tcp_settings(tcp_settings(self.timeout))
            .set_client_to_sentinel_tcp_settings(tcp_settings(self.timeout));
        if let Some(user) = &self.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = &self.sentinel_user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        #[cfg(feature = "redis-tls")]
        if self.tls {
            builder = builder.set_client_to_redis_tls_mode(::redis::TlsMode::Secure);
            if let Some(certificates) = self.certificates() {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
        }
        builder.build()
    }

    fn account(&self) -> RedisConnectionInfo {
        let mut account = RedisConnectionInfo::default().set_db(self.database);
        if let Some(user) = &self.user {
            account = account.set_username(user);
        }
        if let Some(password) = &self.password {
            account = account.set_password(password);
        }
        account
    }

    fn tcp(&self, host: &Host) -> ConnectionAddr {
        self.address(host, REDIS_PORT)
    }

    fn address(&self, host: &Host, default_port: u16) -> ConnectionAddr {
        let (name, port) = (host.name.clone(), host.port.unwrap_or(default_port));
        if self.tls {
            ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(name, port)
        }
    }

    #[cfg(feature = "redis-tls")]
    fn certificates(&self) -> Option<::redis::TlsCertificates> {
        let root_cert = self.root_certificates.clone().filter(|_| self.tls)?;
        Some(::redis::TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }

    /// Returns `true` if another server takes over when one fails, so that waiting a moment helps.
    pub(super) const fn heals(&self) -> bool {
        matches!(self.topology, Topology::Cluster(_) | Topology::Sentinel { .. })
    }

    /// Returns the address without user, password and options.
    pub(super) fn shown(&self) -> String {
        let s = if self.tls { "s" } else { "" };
        let list =
            |hosts: &[Host], port| hosts.iter().map(|host| host.shown(port)).collect::<Vec<_>>().join(",");
        let database = self.database;
        match &self.topology {
            Topology::Server(host) => format!("redis{s}://{}/{database}", host.shown(REDIS_PORT)),
            Topology::Socket(path) => format!("redis+unix://{}?db={database}", path.display()),
            Topology::Cluster(hosts) => format!("redis{s}+cluster://{}", list(hosts, REDIS_PORT)),
            Topology::Sentinel { hosts, master } => {
                format!("redis{s}+sentinel://{}/{master}/{database}", list(hosts, SENTINEL_PORT))
            }
        }
    }
}

/// Returns the topology, and the number of the database if the path has one.
fn topology(address: &Address, form: Option<&str>) -> Result<(Topology, Option<String>), StoreError> {
    let path = address.path.strip_prefix('/').unwrap_or_default();
    let database = |path: &str| Some(path.to_owned()).filter(|path| !path.is_empty());
    let hosts = || {
        if address.hosts.is_empty() {
            return Err(misconfigured("the address names no host"));
        }
        Ok(address.hosts.clone())
    };
    match form {
        None => match hosts()?.as_slice() {
            [host] => Ok((Topology::Server(host.clone()), database(path))),
            _ => Err(misconfigured("several hosts need redis+cluster:// or redis+sentinel://")),
        },
        Some("unix") if address.hosts.is_empty() && !path.is_empty() => {
            Ok((Topology::Socket(PathBuf::from(&address.path)), None))
        }
        Some("unix") => Err(misconfigured("the address of a socket is redis+unix:///its/path")),
        Some("cluster") if database(path).is_none_or(|database| database == "0") => {
            Ok((Topology::Cluster(hosts()?), None))
        }
        Some("cluster") => Err(misconfigured("a cluster only has database 0")),
        Some("sentinel") => {
            let (master, number) = path.split_once('/').unwrap_or((path, ""));
            if master.is_empty() {
                return Err(misconfigured("after the Sentinels the address needs /name-of-the-master"));
            }
            Ok((Topology::Sentinel { hosts: hosts()?, master: master.to_owned() }, database(number)))
        }
        Some(_) => Err(misconfigured("after the + of the scheme comes unix, cluster or sentinel")),
    }
}

pub(super) fn misconfigured(what: impl Into<String>) -> StoreError {
    StoreError::new(KIND, ErrorKind::Misconfigured, what)
}

/// Limits how long a vanished peer can block a connection: TCP alone allows a quarter of an hour.
fn tcp_settings(timeout: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(timeout);
    #[cfg(not(target_os = "linux"))]
    let _ = timeout;
    settings
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const DEFAULT_CONNECTIONS: u32 = 4;
pub(super) const MAX_CONNECTIONS: u32 = 100;
const DEFAULT_WAIT: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::Settings;

    fn shown(address: &str) -> String {
        Settings::parse(address).unwrap_or_else(|error| panic!("{address}: {error}")).shown()
    }

    #[test]
    fn every_address_form_is_shown_without_password() {
        for (address, expected) in [
            ("redis://h", "redis://h:6379/0"),
            ("valkey://u:secret@[::1]:7000/3", "redis://[::1]:7000/3"),
            ("redis://:secret@h/2?timeout=0.5", "redis://h:6379/2"),
            ("redis://h?db=4", "redis://h:6379/4"),
            ("unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=0"),
            ("redis+unix:///run/redis.sock?db=5", "redis+unix:///run/redis.sock?db=5"),
            ("redis+cluster://a,b:7000/0", "redis+cluster://a:6379,b:7000"),
            (
                "redis+sentinel://u:secret@a,b:9/mymaster/1?sentinel_password=secret",
                "redis+sentinel://a:26379,b:9/mymaster/1",
            ),
        ] {
            assert_eq!(shown(address), expected);
        }
    }

    #[test]
    fn invalid_address_is_refused_and_never_repeated() {
        for (address, hint) in [
            ("http://secret", "scheme"),
            ("redis://", "no host"),
            ("redis://a,b", "redis+cluster"),
            ("redis+unix://secret", "redis+unix:///its/path"),
            ("redis+cluster://a/1", "database 0"),
            ("redis+sentinel://a", "name-of-the-master"),
            ("redis+secret://a", "sentinel"),
            ("redis://a/secret", "database"),
            ("redis://a?timeout=secret", "timeout"),
            ("redis://a?timeout=0", "timeout"),
            ("redis://a?timeuot=secret", "timeuot"),
            ("redis://a?connections=0", "from 1 to 100"),
            ("redis://a?connections=secret", "connections"),
        ] {
            let error =
                Settings::parse(address).err().unwrap_or_else(|| panic!("{address} was read")).to_string();
            assert!(error.contains(hint), "{address}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_without_its_feature_names_the_feature() {
        assert!(
            Settings::parse("rediss://h").err().is_some_and(|error| error.to_string().contains("redis-tls"))
        );
    }
}
