//! The hosts that an app trusts: Flask's `TRUSTED_HOSTS`.

use crate::request::host::name_of;

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
