//! The headers of every accepted configuration follow the grammar for servers of RFC 6265bis,
//! section 4.1.1.
//!
//! The parser in this file follows the RFC and shares no code with the writer.

use proptest::prelude::*;

use crate::cookie::{CookieConfig, SameSite};
use crate::time::UnixTime;

/// Returns the names of the header's attributes, or the reason why it is not a `set-cookie-string`.
fn check(header: &str) -> Result<Vec<&str>, String> {
    let mut parts = header.split("; ");
    let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).ok_or("no cookie-pair")?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c)) {
        return Err(format!("name {name:?}"));
    }
    if !value.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)) {
        return Err(format!("value {value:?}"));
    }
    let mut seen = Vec::new();
    for part in parts {
        let (attribute, text) = part.split_once('=').map_or((part, None), |(a, t)| (a, Some(t)));
        let good = match (attribute, text) {
            ("Domain", Some(text)) => is_subdomain(text),
            ("Expires", Some(text)) => is_date(text),
            ("Max-Age", Some(text)) => text == "0" || is_number(text, 1) && !text.starts_with('0'),
            ("Path", Some(text)) => text.bytes().all(|b| matches!(b, 0x20..=0x3A | 0x3C..=0x7E)),
            ("SameSite", Some(text)) => ["Strict", "Lax", "None"].contains(&text),
            ("Secure" | "HttpOnly" | "Partitioned", None) => true,
            _ => false,
        };
        if !good || seen.contains(&attribute) || text.is_some_and(|text| text.len() > 1024) {
            return Err(format!("attribute {part:?}"));
        }
        seen.push(attribute);
    }
    Ok(seen)
}

/// The RFC's grammar of host names does not allow the underscore. We accept it, as browsers do.
fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// `Tue, 14 Nov 2023 22:13:20 GMT`
fn is_date(text: &str) -> bool {
    let fields: Vec<_> = text.split([' ', ':']).collect();
    let &[weekday, day, month, year, hour, minute, second, "GMT"] = &*fields else { return false };
    ["Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"].contains(&weekday)
        && "JanFebMarAprMayJunJulAugSepOctNovDec".contains(month)
        && month.len() == 3
        && year.len() == 4
        && is_number(year, 4)
        && [day, hour, minute, second].iter().all(|field| field.len() == 2 && is_number(field, 2))
}

fn is_number(text: &str, at_least: usize) -> bool {
    text.len() >= at_least && text.bytes().all(|b| b.is_ascii_digit())
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof!["(?i:__(Host|Secure|Http|Host-Http)-)?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", any::<String>(),]
}

fn domains() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "\\.{0,2}[A-Za-z0-9_-]{1,8}(\\.[a-z0-9-]{1,8}){0,3}(:[0-9]{1,4})?".prop_map(Some),
        any::<String>().prop_map(Some),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), any::<String>().prop_map(|path| format!("/{path}")), "/[ -~]{0,12}"]
}

fn modes() -> impl Strategy<Value = Option<SameSite>> {
    prop::sample::select(vec![None, Some(SameSite::Strict), Some(SameSite::Lax), Some(SameSite::None)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_accepted_configuration_keeps_to_the_grammar(
        (name, domain, path, mode) in (names(), domains(), paths(), modes()),
        (secure, http_only, partitioned) in any::<(bool, bool, bool)>(),
        value in "[A-Za-z0-9._-]{0,40}",
        expires in any::<Option<u64>>(),
    ) {
        let built = CookieConfig::builder()
            .name(name)
            .domain(domain.as_deref())
            .path(path)
            .secure(secure)
            .http_only(http_only)
            .same_site(mode)
            .partitioned(partitioned)
            .build();
        let Ok(config) = built else { return Ok(()) };
        let header = config.set(&value, expires.map(UnixTime::from_secs));
        let set = check(&header).map_err(TestCaseError::fail)?;
        let removal = config.removal();
        let mut removed = check(&removal).map_err(TestCaseError::fail)?;

        // The removal has the same attributes, except the time.
        prop_assert_eq!(set.contains(&"Expires"), expires.is_some());
        removed.retain(|attribute| !["Expires", "Max-Age"].contains(attribute));
        prop_assert_eq!(removed, set.into_iter().filter(|a| *a != "Expires").collect::<Vec<_>>());
    }
}

#[test]
fn the_grammar_of_this_test_refuses_bad_headers() {
    for header in [
        "=v",
        "s",
        "a b=v",
        "s=a b",
        "s=a,b",
        "s=\"v\"",
        "s=v;Path=/",
        "s=v; Path=/\u{1}",
        "s=v; Path=/; Path=/",
        "s=v; Max-Age=-1",
        "s=v; Max-Age=01",
        "s=v; Expires=Tue, 14 Nov 12023 22:13:20 GMT",
        "s=v; Domain=a..b",
        "s=v; Secure=1",
        "s=v; SameSite=lax",
        "s=v; Nonsense",
    ] {
        assert!(check(header).is_err(), "{header}");
    }
}
