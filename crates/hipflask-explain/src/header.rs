//! The session cookie in what people paste.

use hipflask_core::signing::split_unverified;

/// Returns the value of the session cookie in `text`: a whole `Cookie` or `Set-Cookie` line, with
/// or without the header's name. Everything else is taken for the value itself.
#[must_use]
pub fn session_cookie(text: &str) -> &str {
    let header = ["cookie:", "set-cookie:"].into_iter().find_map(|name| {
        let front = text.trim_start().get(..name.len())?;
        front.eq_ignore_ascii_case(name).then(|| &text.trim_start()[name.len()..])
    });
    let line = header.unwrap_or(text);
    let pairs = || line.split(';').filter_map(|pair| pair.trim().split_once('='));
    let is_line = header.is_some() || line.contains(';');
    let named = pairs().find(|(name, _)| name.to_ascii_lowercase().contains("session"));
    let shaped = || pairs().find(|(_, value)| is_line && split_unverified(value.as_bytes(), b'.').is_some());
    let Some((_, value)) = named.or_else(shaped) else { return text };
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_in_a_whole_line() {
        for line in [
            "a.b.c",
            "session=a.b.c",
            "session=a.b.c; Path=/",
            "Set-Cookie: session=a.b.c; Secure; HttpOnly; Path=/; SameSite=Lax",
            "set-cookie:__Host-session=a.b.c; Path=/",
            "Cookie: theme=dark; session=a.b.c; _ga=GA1.2.3",
            "cookie: theme=dark; sid=a.b.c",
            "theme=dark; MySession=\"a.b.c\"",
            "  Cookie:session=a.b.c",
        ] {
            assert_eq!(session_cookie(line), "a.b.c", "{line}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "=", ";", "a=", "eyJh==.b.c", "a.b.c=", "Cookie:", "Cookie: a=b; c", "é=x"] {
            assert_eq!(session_cookie(text), text);
        }
        assert_eq!(session_cookie("session="), "");
    }
}
