//! The host that a request was sent to, and the hosts that an app trusts: Flask's `TRUSTED_HOSTS`.

/// Removes the port of a `Host` header that is the standard one of the scheme, as Werkzeug's `get_host` does.
pub(super) fn without_standard_port<'h>(scheme: &str, host: &'h str) -> &'h str {
    let standard = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return host,
    };
    host.strip_suffix(standard).unwrap_or(host)
}

/// Returns a host as it is, or an empty one if it has characters that no host has.
pub(super) fn valid(host: &str) -> &str {
    if name_of(host).is_some() { host } else { "" }
}

/// Returns a host without its port, if it is written as hosts are: Werkzeug's `_host_re`.
fn name_of(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|at| at + 2)?,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => {
            let after = address.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
            let rest = after.strip_prefix(':').unwrap_or_default();
            !rest.is_empty()
                && rest.chars().all(|letter| letter.is_ascii_hexdigit() || matches!(letter, ':' | '.'))
        }
        None => {
            !name.is_empty()
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'))
        }
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            matches!(digits.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit))
                && digits.parse::<u16>().is_ok()
        });
    (is_name && is_port).then_some(name)
}

/// Returns `true` if a host cannot be a domain: one of its labels is empty or too long. Werkzeug
/// refuses it with a 400.
pub(super) fn has_bad_label(host: &str) -> bool {
    let (before, last) = host.rsplit_once('.').map_or((None, host), |(before, last)| (Some(before), last));
    let is_bad = |label: &str| label.is_empty() || label.len() > 63;
    before.is_some_and(|before| before.split('.').any(is_bad)) || last.len() > 63
}

/// The hosts that an app trusts. Empty trusts all.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustedHosts(Vec<Trusted>);

#[derive(Debug, Clone)]
struct Trusted {
    name: String,
    /// It was written with a dot before it.
    with_subdomains: bool,
}

impl TrustedHosts {
    /// Reads `example.org`, `.example.org` for its subdomains as well, and either with a port,
    /// which is not looked at.
    ///
    /// # Errors
    /// The first entry that is not a host name.
    pub(super) fn new(entries: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let read = |entry: String| match trusted(&entry) {
            Some(trusted) => Ok(trusted),
            None => Err(entry),
        };
        entries.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Returns `true` if a host is trusted, whatever its port.
    pub(super) fn trust(&self, host: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        name_of(host).is_some_and(|name| self.0.iter().any(|trusted| trusted.is(name)))
    }
}

fn trusted(entry: &str) -> Option<Trusted> {
    let (with_subdomains, host) = entry.strip_prefix('.').map_or((false, entry), |host| (true, host));
    let name = name_of(host).filter(|name| !has_bad_label(name))?;
    Some(Trusted { name: name.to_owned(), with_subdomains })
}

impl Trusted {
    fn is(&self, name: &str) -> bool {
        name == self.name
            || (self.with_subdomains
                && name.strip_suffix(self.name.as_str()).is_some_and(|before| before.ends_with('.')))
    }
}
