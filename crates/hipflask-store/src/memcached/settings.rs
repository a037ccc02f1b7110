//! Parses addresses.

use core::time::Duration;

use super::listing::ServerAddress;
use super::pool::Server;
use crate::store::{ErrorKind, StoreError};
use crate::url::Address;

/// The name of this kind of store.
pub(super) const KIND: &str = "memcached";

/// The settings of a store.
#[derive(Clone)]
pub(super) struct Settings {
    nodes: Vec<Node>,
    /// The timeout of one call, connecting included.
    pub(super) timeout: Duration,
    /// The maximum item size of the servers, in bytes.
    pub(super) max_item: usize,
    /// The maximum number of connections to each server.
    pub(super) connections: usize,
}

#[derive(Clone)]
struct Node {
    /// The name in pymemcache's spelling.
    name: String,
    address: ServerAddress,
}

impl Settings {
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let mut address = Address::parse(KIND, text)?;
        let nodes = match address.scheme.as_str() {
            "memcached" => hosts(&address)?,
            "memcached+unix" if address.hosts.is_empty() && address.path.len() > 1 => {
                vec![Node {
                    name: address.path.clone(),
                    address: ServerAddress::Socket(address.path.clone().into()),
                }]
            }
            "memcached+unix" => {
                return Err(misconfigured("the address of a socket is memcached+unix:///its/path"));
            }
            _ => return Err(misconfigured("the scheme of the address is not memcached or memcached+unix")),
        };
        if address.user.is_some() || address.password.is_some() {
            return Err(misconfigured("accounts are not supported: the client cannot log in to memcached"));
        }
        let mut settings = Self { nodes, timeout: TIMEOUT, max_item: MAX_ITEM, connections: CONNECTIONS };
        if let Some(timeout) = address.take_timeout()? {
            settings.timeout = timeout;
        }
        if let Some(bytes) = address.take_number("max_item")? {
            settings.max_item = bytes;
        }
        if let Some(connections) = address.take_number::<core::num::NonZero<usize>>("connections")? {
            settings.connections = connections.get();
        }
        address.finish()?;
        Ok(settings)
    }

    pub(super) fn servers(&self) -> Result<Vec<Server>, StoreError> {
        let server = |node: &Node| {
            Server::new(node.name.clone(), node.address.clone(), self.timeout, self.connections)
                .ok_or_else(|| misconfigured("the connection pool cannot be created"))
        };
        self.nodes.iter().map(server).collect()
    }

    /// Returns the address without options.
    pub(super) fn shown(&self) -> String {
        let nodes: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        let form = if nodes.iter().any(|node| node.starts_with('/')) { "+unix" } else { "" };
        format!("memcached{form}://{}", nodes.join(","))
    }
}

fn hosts(address: &Address) -> Result<Vec<Node>, StoreError> {
    if !address.path.trim_matches('/').is_empty() {
        return Err(misconfigured("the address has a path, which memcached does not support"));
    }
    let node = |host: &crate::url::Host| {
        if host.name.contains(':') {
            return Err(misconfigured(
                "the client cannot reach an IPv6 address; use an IPv4 address or a host name",
            ));
        }
        let name = host.shown(PORT);
        Ok(Node { address: ServerAddress::Port(name.clone()), name })
    };
    let nodes: Vec<Node> = address.hosts.iter().map(node).collect::<Result<_, _>>()?;
    if nodes.is_empty() { Err(misconfigured("the address names no host")) } else { Ok(nodes) }
}

pub(super) fn misconfigured(what: impl Into<String>) -> StoreError {
    StoreError::new(KIND, ErrorKind::Misconfigured, what)
}

const PORT: u16 = 11211;
const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ITEM: usize = 1024 * 1024;
const CONNECTIONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn every_address_form_is_parsed() {
        for (address, expected) in [
            ("memcached://a", "memcached://a:11211"),
            ("memcached://a,b:2/?timeout=0.5&max_item=2000000&connections=3", "memcached://a:11211,b:2"),
            ("memcached+unix:///run/m.sock", "memcached+unix:///run/m.sock"),
        ] {
            let settings = Settings::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
            assert_eq!(settings.shown(), expected);
        }
    }

    #[test]
    fn invalid_address_is_refused_and_never_repeated() {
        for (address, hint) in [
            ("redis://secret", "scheme"),
            ("memcached://", "no host"),
            ("memcached://a/secret", "path"),
            ("memcached://u:secret@a", "account"),
            ("memcached://[::1]", "IPv6"),
            ("memcached+unix://secret", "memcached+unix:///its/path"),
            ("memcached://a?connections=0", "connections"),
            ("memcached://a?max_itme=secret", "max_itme"),
        ] {
            let error =
                Settings::parse(address).err().unwrap_or_else(|| panic!("{address} was read")).to_string();
            assert!(error.contains(hint), "{address}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
