//! The rules for names, domains, paths and their combinations that browsers require.

use std::borrow::Cow;

use super::error::{CookieConfigError as Error, CookiePart, PrefixRequirement};
use super::write::{Attributes, quote_path};

/// The name is a token of RFC 6265.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::NameEmpty);
    }
    if let Some(found) = name.chars().find(|&c| !is_token_char(c)) {
        let name = name.to_owned();
        return Err(Error::NameNotToken { name, found });
    }
    check_length(CookiePart::Name, name)
}

/// Returns the domain as it is written.
pub(super) fn check_domain(given: &str) -> Result<&str, Error> {
    check_controls(CookiePart::Domain, given)?;
    let (host, port) = given.split_once(':').unwrap_or((given, ""));
    let host = host.trim_start_matches('.');
    let domain = || given.to_owned();
    if host.is_empty() {
        return Err(Error::DomainEmpty { domain: domain() });
    }
    for label in host.split('.') {
        let label_of = || (domain(), label.to_owned());
        if label.is_empty() {
            return Err(Error::DomainLabelEmpty { domain: domain() });
        }
        if !label.is_ascii() {
            let (domain, label) = label_of();
            return Err(Error::DomainNotAscii { domain, label });
        }
        if let Some(found) = label.chars().find(|&c| !is_host_char(c)) {
            return Err(Error::DomainNotHost { domain: domain(), found });
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(Error::DomainNotHost { domain: domain(), found: '-' });
        }
        if label.len() > MAX_LABEL {
            let (domain, label) = label_of();
            return Err(Error::DomainLabelTooLong { domain, label });
        }
    }
    if let Some(found) = port.chars().find(|c| !c.is_ascii_digit()) {
        return Err(Error::DomainNotHost { domain: domain(), found });
    }
    check_length(CookiePart::Domain, host)?;
    Ok(host)
}

/// Returns the path as it is written.
pub(super) fn check_path(given: &str) -> Result<Cow<'_, str>, Error> {
    check_controls(CookiePart::Path, given)?;
    if !given.starts_with('/') {
        return Err(Error::PathNotAbsolute { path: given.to_owned() });
    }
    let path = quote_path(given);
    check_length(CookiePart::Path, &path)?;
    Ok(path)
}

/// Checks that a prefixed name keeps the promises of its prefix. Browsers compare prefixes without
/// regard to case.
pub(super) fn check_prefix(name: &str, attributes: &Attributes<'_>) -> Result<(), Error> {
    let has = |prefix: &str| {
        let start = name.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    // `__Host-Http-` before `__Host-`, which it begins with.
    let Some(prefix) = PREFIXES.into_iter().find(|prefix| has(prefix)) else {
        return Ok(());
    };
    let host = prefix.starts_with("__Host-");
    let http = prefix.ends_with("Http-");
    let requirements = [
        (!attributes.secure, PrefixRequirement::Secure),
        (http && !attributes.http_only, PrefixRequirement::HttpOnly),
        (host && attributes.path != "/", PrefixRequirement::RootPath),
        (host && attributes.domain.is_some(), PrefixRequirement::NoDomain),
    ];
    match requirements.into_iter().find(|(is_missing, _)| *is_missing) {
        None => Ok(()),
        Some((_, needs)) => Err(Error::Prefix { name: name.to_owned(), prefix, needs }),
    }
}

fn check_controls(part: CookiePart, value: &str) -> Result<(), Error> {
    match value.chars().find(char::is_ascii_control) {
        None => Ok(()),
        Some(found) => {
            let value = value.to_owned();
            Err(Error::ControlCharacter { part, value, found })
        }
    }
}

fn check_length(part: CookiePart, text: &str) -> Result<(), Error> {
    let (octets, limit) = (text.len(), MAX_OCTETS);
    if octets > limit {
        return Err(Error::TooLong { part, octets, limit });
    }
    Ok(())
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Returns `true` for letters, digits, the hyphen, and the underscore, which DNS has, browsers
/// accept and internal host names use.
const fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Browsers ignore an attribute whose value is longer (RFC 6265bis, section 5.6).
const MAX_OCTETS: usize = 1024;
const MAX_LABEL: usize = 63;
const PREFIXES: [&str; 4] = ["__Host-Http-", "__Host-", "__Secure-", "__Http-"];
