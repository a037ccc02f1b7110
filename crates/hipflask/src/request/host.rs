//! The host that a request was sent to.

/// Removes the port of a `Host` header that is the standard one of the scheme, as Werkzeug's `get_host` does.
pub(crate) fn without_standard_port<'h>(scheme: &str, host: &'h str) -> &'h str {
    let standard = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => return host,
    };
    host.strip_suffix(standard).unwrap_or(host)
}

/// Returns a host as it is, or an empty one if it has characters that no host has.
pub(crate) fn valid(host: &str) -> &str {
    if name_of(host).is_some() { host } else { "" }
}

/// Returns a host without its port, if it is written as hosts are: Werkzeug's `_host_re`.
pub(crate) fn name_of(host: &str) -> Option<&str> {
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
