//! The address of a store with servers, as operators write it.

use core::str::FromStr;
use core::time::Duration;

use crate::store::{ErrorKind, StoreError};

/// `scheme://user:password@host:port,host:port/path?option=value`.
///
/// General URL parsers do not allow several hosts, which Sentinel, Cluster and memcached have.
/// User, password, path and options are percent-decoded.
pub(crate) struct Address {
    store: &'static str,
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// At least one, unless the address names a path alone.
    pub(crate) hosts: Vec<Host>,
    /// With its leading `/`; empty if there is none.
    pub(crate) path: String,
    options: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Without the brackets of an IPv6 address.
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
}

impl Address {
    /// Parses an address of the store named `store`.
    pub(crate) fn parse(store: &'static str, text: &str) -> Result<Self, StoreError> {
        // The text may hold a password, so no message repeats it.
        let wrong = |what: &str| StoreError::new(store, ErrorKind::Misconfigured, what);
        let (scheme, rest) = text
            .trim()
            .split_once("://")
            .ok_or_else(|| wrong("the address has no scheme such as redis://"))?;
        let (rest, options) = rest.split_once('?').map_or((rest, ""), |(rest, options)| (rest, options));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (account, hosts) = match authority.rsplit_once('@') {
            Some((account, hosts)) => (Some(account), hosts),
            None => (None, authority),
        };
        let decoded = |part: &str| {
            decode(part).ok_or_else(|| wrong("a % in the address is not followed by two hex digits of UTF-8"))
        };
        let (user, password) = match account {
            Some(account) => {
                let (user, password) = account.split_once(':').map_or((account, None), |(u, p)| (u, Some(p)));
                let user = Some(decoded(user)?).filter(|user| !user.is_empty());
                (user, password.map(decoded).transpose()?)
            }
            None => (None, None),
        };
        let hosts = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| Host::parse(host).ok_or_else(|| wrong("a host in the address is not name:port")))
            .collect::<Result<_, _>>()?;
        let options = options
            .split('&')
            .filter(|option| !option.is_empty())
            .map(|option| {
                let (name, value) =
                    option.split_once('=').ok_or_else(|| wrong("an option in the address has no value"))?;
                Ok((decoded(name)?, decoded(value)?))
            })
            .collect::<Result<_, _>>()?;
        let (scheme, path) = (scheme.to_ascii_lowercase(), decoded(path)?);
        Ok(Self { store, scheme, user, password, hosts, path, options })
    }

    /// Removes an option and returns its value: the first one of that name.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.options.iter().position(|(known, _)| known == name)?;
        Some(self.options.remove(at).1)
    }

    /// Removes an option that is a number.
    pub(crate) fn take_number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, StoreError> {
        let text = self.take(name);
        self.number(name, text)
    }

    /// Parses a number that the address contains.
    pub(crate) fn number<T: FromStr>(
        &self,
        what: &str,
        text: Option<String>,
    ) -> Result<Option<T>, StoreError> {
        let parse = |text: String| {
            text.parse()
                .map_err(|_| self.misconfigured(format!("the {what} in the address is not a valid number")))
        };
        text.map(parse).transpose()
    }

    /// Removes the option `timeout`, a number of seconds.
    pub(crate) fn take_timeout(&mut self) -> Result<Option<Duration>, StoreError> {
        let Some(seconds) = self.take_number("timeout")? else { return Ok(None) };
        let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| !timeout.is_zero());
        let what = "the timeout in the address is not a number of seconds above 0";
        timeout.map(Some).ok_or_else(|| self.misconfigured(what))
    }

    /// Fails if an option is left, which is most likely a typo.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        match self.options.first() {
            None => Ok(()),
            Some((name, _)) => Err(self.misconfigured(format!("the address has an unknown option: {name}"))),
        }
    }

    fn misconfigured(&self, what: impl Into<String>) -> StoreError {
        StoreError::new(self.store, ErrorKind::Misconfigured, what)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, after) = rest.split_once(']')?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
                (name, port)
            }
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let good = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte));
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
            None => None,
        };
        good.then(|| Self { name: name.to_owned(), port })
    }

    /// Formats the host as in an address.
    pub(crate) fn shown(&self, default_port: u16) -> String {
        let port = self.port.unwrap_or(default_port);
        if self.name.contains(':') {
            format!("[{}]:{port}", self.name)
        } else {
            format!("{}:{port}", self.name)
        }
    }
}

/// Percent-decodes a text; `None` if a `%` lacks its digits or the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Address, Host};

    fn host(name: &str, port: Option<u16>) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn every_part_of_an_address_is_parsed() {
        let mut address =
            Address::parse("redis", "Redis+Sentinel://us%40er:p%3Aw@a:1,[::1]:2,c/my%2Dmaster/3?x=1&y=%2F")
                .unwrap();
        assert_eq!(address.scheme, "redis+sentinel");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("us@er"), Some("p:w")));
        assert_eq!(address.hosts, [host("a", Some(1)), host("::1", Some(2)), host("c", None)]);
        assert_eq!(address.hosts[1].shown(9), "[::1]:2");
        assert_eq!(address.hosts[2].shown(9), "c:9");
        assert_eq!(address.path, "/my-master/3");
        assert_eq!(address.take("y").as_deref(), Some("/"));
        assert!(address.finish().is_err_and(|error| error.to_string().contains("unknown option: x")));
        assert_eq!(address.take_number::<u8>("x").unwrap(), Some(1));
        assert!(address.finish().is_ok());
    }

    #[test]
    fn account_may_have_only_a_password() {
        let address = Address::parse("redis", "redis://:secret@h").unwrap();
        assert_eq!((address.user, address.password.as_deref()), (None, Some("secret")));
    }

    #[test]
    fn invalid_address_is_refused_and_never_repeated() {
        for text in [
            "secret",
            "redis:secret",
            "redis://h:secret",
            "redis://h:0",
            "redis://a b:secret@h h",
            "redis://h?secret",
            "redis://%zzsecret@h",
            "redis://h/%ffsecret",
            "redis://[::1secret",
        ] {
            let error = Address::parse("redis", text).err().unwrap_or_else(|| panic!("{text} was read"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
