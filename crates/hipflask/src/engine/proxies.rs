//! The reverse proxies whose forwarded headers an engine believes.

use std::net::IpAddr;
use std::sync::Arc;

/// The trusted proxies of an engine. Cheap to clone; empty unless set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Option<Arc<[Network]>>);

/// A network such as `10.0.0.0/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// The number of leading bits that count.
    bits: u8,
}

impl Proxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// The first entry that is neither.
    pub(crate) fn new(entries: Vec<String>) -> Result<Self, String> {
        let networks = entries.into_iter().map(|entry| Network::parse(&entry).ok_or(entry));
        let networks = networks.collect::<Result<Arc<[Network]>, _>>()?;
        Ok(Self(Some(networks).filter(|networks| !networks.is_empty())))
    }

    /// Returns `true` if `address` is one of the proxies.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let networks = self.0.as_deref().unwrap_or_default();
        networks.iter().any(|network| network.contains(address.to_canonical()))
    }
}

impl Network {
    fn parse(entry: &str) -> Option<Self> {
        let (address, bits) =
            entry.trim().split_once('/').map_or((entry.trim(), None), |(a, b)| (a, Some(b)));
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(entries: &[&str], address: &str) -> bool {
        let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Proxies::new(entries).unwrap().contain(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_are_recognized() {
        assert!(contain(&["127.0.0.1"], "127.0.0.1") && !contain(&["127.0.0.1"], "127.0.0.2"));
        assert!(contain(&["10.0.0.0/8"], "10.255.0.1") && !contain(&["10.0.0.0/8"], "11.0.0.1"));
        assert!(contain(&["fd00::/8"], "fd12::1") && !contain(&["fd00::/8"], "fe80::1"));
        assert!(contain(&["127.0.0.1"], "::ffff:127.0.0.1") && contain(&["0.0.0.0/0"], "192.0.2.1"));
        assert!(!contain(&[], "127.0.0.1") && !contain(&["::/0"], "127.0.0.1"));
    }

    #[test]
    fn other_entries_are_refused() {
        for entry in ["", "localhost", "10.0.0.0/33", "10.0.0.0/x", "::/129", "127.0.0.1:80"] {
            assert_eq!(Proxies::new(vec![entry.to_owned()]).unwrap_err(), entry);
        }
    }
}
