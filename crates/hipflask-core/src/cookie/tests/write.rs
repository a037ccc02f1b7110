//! Writing `Set-Cookie`.
//!
//! Every expected header was printed by Werkzeug 3.1.9 `dump_cookie` or `Response.delete_cookie`.

use proptest::prelude::*;

use crate::cookie::{CookieConfig, CookieConfigBuilder, SameSite, parse};
use crate::time::UnixTime;

const _: () = {
    const fn shareable<T: Send + Sync + 'static>() {}
    shareable::<CookieConfig>();
    shareable::<CookieConfigBuilder>();
};

fn every_attribute() -> CookieConfig {
    CookieConfig::builder()
        .name("sid")
        .domain("example.com")
        .path("/app")
        .secure(true)
        .same_site(SameSite::Lax)
        .partitioned(true)
        .build()
        .unwrap()
}

fn plain(value: &str) -> String {
    CookieConfig::builder().name("s").http_only(false).build().unwrap().set(value, None)
}

#[test]
fn attributes_come_in_werkzeugs_order() {
    assert_eq!(
        every_attribute().set("v", Some(UnixTime::from_secs(1_700_000_000))),
        "sid=v; Domain=example.com; Expires=Tue, 14 Nov 2023 22:13:20 GMT; Secure; HttpOnly; Path=/app; \
         SameSite=Lax; Partitioned"
    );
}

#[test]
fn the_default_is_flasks() {
    let config = CookieConfig::default();
    assert_eq!(config.set("eyJ9", None), "session=eyJ9; HttpOnly; Path=/");
    assert_eq!(config, CookieConfig::builder().build().unwrap());
    assert_eq!((config.name(), config.domain(), config.path()), ("session", None, "/"));
    assert_eq!((config.is_secure(), config.is_http_only(), config.is_partitioned()), (false, true, false));
    assert_eq!((config.same_site(), config.max_size()), (None, 4093));
}

#[test]
fn permanent_sessions_have_expires_without_max_age() {
    for (secs, date) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"),
        (4_102_444_800, "Fri, 01 Jan 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        let header = CookieConfig::default().set("v", Some(UnixTime::from_secs(secs)));
        assert_eq!(header, format!("session=v; Expires={date}; HttpOnly; Path=/"));
    }
}

/// Flask answers 500 there (`OverflowError`).
#[test]
fn expiry_after_the_year_9999_is_its_end() {
    let header = CookieConfig::default().set("v", Some(UnixTime::from_secs(u64::MAX)));
    assert_eq!(header, "session=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT; HttpOnly; Path=/");
}

#[test]
fn removal_repeats_every_attribute() {
    assert_eq!(
        CookieConfig::default().removal(),
        "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"
    );
    assert_eq!(
        every_attribute().removal(),
        "sid=; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/app; \
         SameSite=Lax; Partitioned"
    );
}

#[test]
fn the_path_is_percent_encoded_once() {
    for (path, written) in [
        ("/a b", "/a%20b"),
        ("/a;b", "/a%3Bb"),
        ("/é%20", "/%C3%A9%20"),
        ("/\"<>?#[]{}|\\^`", "/%22%3C%3E%3F%23%5B%5D%7B%7D%7C%5C%5E%60"),
        ("/%!$&'()*+,/:=@-._~", "/%!$&'()*+,/:=@-._~"),
        ("//x", "//x"),
    ] {
        let config = CookieConfig::builder().path(path).build().unwrap();
        assert_eq!(config.path(), written);
        assert_eq!(config.set("v", None), format!("session=v; HttpOnly; Path={written}"));
    }
}

#[test]
fn port_and_leading_dots_are_removed() {
    for (domain, written) in [
        ("example.com", "example.com"),
        (".Example.COM", "Example.COM"),
        ("..a.b:80", "a.b"),
        ("localhost:5000", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("my_app.internal", "my_app.internal"),
        ("xn--mlaut-jva.de", "xn--mlaut-jva.de"),
    ] {
        let config = CookieConfig::builder().domain(domain).build().unwrap();
        assert_eq!(config.domain(), Some(written));
        assert_eq!(config.set("v", None), format!("session=v; Domain={written}; HttpOnly; Path=/"));
    }
    assert_eq!(CookieConfig::builder().domain(None).build().unwrap().domain(), None);
}

#[test]
fn samesite_is_parsed_in_any_case() {
    for (text, mode) in [
        ("lax", SameSite::Lax),
        ("LAX", SameSite::Lax),
        ("Strict", SameSite::Strict),
        ("none", SameSite::None),
    ] {
        assert_eq!(text.parse(), Ok(mode));
    }
    for text in ["", "laxx", " lax", "true"] {
        let refused = text.parse::<SameSite>().unwrap_err();
        assert_eq!(refused.to_string(), "SameSite must be 'Strict', 'Lax', or 'None'.");
    }
    let config = CookieConfig::builder().same_site(SameSite::None).secure(true).build().unwrap();
    assert_eq!(config.set("v", None), "session=v; Secure; HttpOnly; Path=/; SameSite=None");
}

#[test]
fn partitioned_forces_secure() {
    let config = CookieConfig::builder().partitioned(true).http_only(false).build().unwrap();
    assert!(config.is_secure());
    assert_eq!(config.set("v", None), "session=v; Secure; Path=/; Partitioned");
}

#[test]
fn values_are_quoted_only_if_necessary() {
    for (value, written) in [
        ("", ""),
        ("a b", "\"a b\""),
        ("a,b", "\"a\\054b\""),
        ("a;b", "\"a\\073b\""),
        ("é", "\"\\303\\251\""),
        ("\"", "\"\\\"\""),
        ("\\", "\"\\\\\""),
        ("\0\t\n\x19", "\"\\000\\011\\012\\031\""),
        ("\x7f", "\"\\177\""),
        ("😀", "\"\\360\\237\\230\\200\""),
        ("!#$%&'()*+-./:<=>?@[]^_`{|}~", "!#$%&'()*+-./:<=>?@[]^_`{|}~"),
    ] {
        assert_eq!(plain(value), format!("s={written}; Path=/"));
    }
}

/// Werkzeug sends 0x1A to 0x1F between the quotes as they are, which no server and no browser
/// accepts.
#[test]
fn every_control_character_in_a_value_is_escaped() {
    assert_eq!(plain("\x1a\x1f"), "s=\"\\032\\037\"; Path=/");
}

#[test]
fn headers_over_the_limit_have_flasks_warning() {
    let config = CookieConfig::default();
    let fits = "x".repeat(4067);
    let header = config.set(&fits, None);
    assert_eq!(header.len(), 4093);
    assert_eq!(config.check_size(&fits, &header), Ok(()));

    // The second value counts with its quotes.
    for value in ["x".repeat(4068), " ".repeat(4066)] {
        let too_large = config.check_size(&value, &config.set(&value, None)).unwrap_err();
        assert_eq!(
            too_large.to_string(),
            "The 'session' cookie is too large: the value was 4068 bytes but the header required 26 extra bytes. \
             The final size was 4094 bytes but the limit is 4093 bytes. \
             Browsers may silently ignore cookies larger than this."
        );
        assert_eq!((too_large.name(), too_large.value_size()), ("session", 4068));
        assert_eq!((too_large.size(), too_large.limit()), (4094, 4093));
    }
}

#[test]
fn a_limit_of_zero_accepts_every_size() {
    let config = CookieConfig::builder().max_size(0).build().unwrap();
    let value = "x".repeat(100_000);
    assert_eq!(config.check_size(&value, &config.set(&value, None)), Ok(()));
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(value: String) {
        let header = plain(&value);
        let sent_back = header.strip_suffix("; Path=/").unwrap();
        let read: Vec<_> = parse(sent_back.as_bytes()).collect();
        prop_assert_eq!(read, [("s".into(), value.as_str().into())]);
    }
}
