//! Refused configurations and the texts of their errors.

use crate::cookie::{CookieConfig, CookieConfigBuilder, CookieConfigError as Error, CookiePart, SameSite};

fn refused(builder: CookieConfigBuilder) -> Error {
    builder.build().unwrap_err()
}

fn new() -> CookieConfigBuilder {
    CookieConfig::builder()
}

fn safe(name: &str) -> CookieConfigBuilder {
    new().name(name).secure(true)
}

/// Flask sends each of these. It writes a name that is not ASCII in another encoding and does not
/// find the cookie again.
#[test]
fn names_must_be_ascii_tokens() {
    assert_eq!(refused(new().name("")), Error::NameEmpty);
    for (name, wrong) in [
        ("é", 'é'),
        ("a b", ' '),
        ("a=b", '='),
        ("a;b", ';'),
        ("a,b", ','),
        ("s\n", '\n'),
        ("a\"", '"'),
        ("(a)", '('),
    ] {
        assert_eq!(refused(new().name(name)), Error::NameNotToken { name: name.into(), found: wrong });
    }
    assert!(new().name("!#$%&'*+-.^_`|~09azAZ").build().is_ok());
}

#[test]
fn host_prefix_needs_secure_and_root_path() {
    for name in ["__Host-s", "__host-s", "__HOST-s", "__hOsT-"] {
        assert!(safe(name).build().is_ok());
        assert!(new().name(name).partitioned(true).build().is_ok());
        assert_prefix(new().name(name), "__Host-", "Secure");
        assert_prefix(safe(name).path("/app"), "__Host-", "Path=/");
        assert_prefix(safe(name).domain("example.com"), "__Host-", "no Domain");
    }
}

#[test]
fn a_secure_name_needs_secure() {
    assert!(safe("__Secure-s").path("/app").domain("a.b").http_only(false).build().is_ok());
    assert_prefix(new().name("__sECURE-s"), "__Secure-", "Secure");
}

#[test]
fn an_http_name_needs_secure_and_http_only() {
    assert!(safe("__Http-s").path("/app").domain("a.b").build().is_ok());
    assert_prefix(new().name("__HTTP-s"), "__Http-", "Secure");
    assert_prefix(safe("__http-s").http_only(false), "__Http-", "HttpOnly");
}

#[test]
fn a_host_http_name_needs_what_both_promise() {
    assert!(safe("__Host-Http-s").build().is_ok());
    assert_prefix(new().name("__host-http-s"), "__Host-Http-", "Secure");
    assert_prefix(safe("__Host-Http-s").http_only(false), "__Host-Http-", "HttpOnly");
    assert_prefix(safe("__Host-Http-s").path("/a"), "__Host-Http-", "Path=/");
    assert_prefix(safe("__HOST-HTTP-s").domain("a.b"), "__Host-Http-", "no Domain");
}

#[test]
fn names_that_resemble_a_prefix_are_accepted() {
    for name in ["__Host", "_Host-s", "__Hostess", "x__Host-s", "__Secure_s"] {
        assert!(new().name(name).path("/app").build().is_ok(), "{name}");
    }
}

#[test]
fn samesite_none_needs_secure() {
    let none = new().same_site(SameSite::None);
    assert_eq!(refused(none.clone()), Error::SameSiteNoneWithoutSecure);
    assert!(none.clone().secure(true).build().is_ok());
    assert!(none.partitioned(true).build().is_ok());
}

#[test]
fn a_domain_must_be_a_host_name() {
    for domain in ["", ".", "...", ":80", ".:80"] {
        assert_eq!(refused(new().domain(domain)), Error::DomainEmpty { domain: domain.into() });
    }
    for domain in ["a..b", "a.b.", "a.:80"] {
        assert_eq!(refused(new().domain(domain)), Error::DomainLabelEmpty { domain: domain.into() });
    }
    for (domain, found) in [
        ("a b", ' '),
        ("a;b", ';'),
        ("*.a.b", '*'),
        ("a/b", '/'),
        ("[::1]", '['),
        ("-a.b", '-'),
        ("a-.b", '-'),
        ("http://a.b", '/'),
        ("a.b:80x", 'x'),
    ] {
        assert_eq!(refused(new().domain(domain)), Error::DomainNotHost { domain: domain.into(), found });
    }
}

#[test]
fn non_ascii_domains_are_refused_with_xn_form() {
    let error = refused(new().domain("shop.ümlaut.de"));
    assert_eq!(error, Error::DomainNotAscii { domain: "shop.ümlaut.de".into(), label: "ümlaut".into() });
    assert!(error.to_string().contains("xn--"));
}

#[test]
fn a_label_has_at_most_63_octets() {
    let (longest, longer) = ("a".repeat(63), "a".repeat(64));
    assert!(new().domain(&*format!("{longest}.de")).build().is_ok());
    let domain = format!("{longer}.de");
    assert_eq!(
        refused(new().domain(&*domain)),
        Error::DomainLabelTooLong { domain: domain.clone(), label: longer }
    );
}

#[test]
fn control_characters_are_refused() {
    for found in ['\0', '\n', '\r', '\t', '\x1f', '\x7f'] {
        let (path, domain) = (format!("/a{found}"), format!("a{found}.de"));
        let error = refused(new().path(&*path));
        assert_eq!(error, Error::ControlCharacter { part: CookiePart::Path, value: path, found });
        let error = refused(new().domain(&*domain));
        assert_eq!(error, Error::ControlCharacter { part: CookiePart::Domain, value: domain, found });
    }
}

#[test]
fn a_path_that_browsers_would_ignore_is_refused() {
    for path in ["", "app", "./", " /"] {
        assert_eq!(refused(new().path(path)), Error::PathNotAbsolute { path: path.into() });
    }
}

#[test]
fn no_part_is_longer_than_browsers_keep() {
    let longest = "a".repeat(1024);
    assert!(new().name(&*longest).max_size(0).build().is_ok());
    assert!(new().path(format!("/{}", &longest[1..])).build().is_ok());
    assert!(new().domain(&*format!("{}aa", "a.".repeat(511))).build().is_ok());
    for (builder, part, octets) in [
        (new().name(format!("{longest}a")), CookiePart::Name, 1025),
        (new().path(format!("/{longest}")), CookiePart::Path, 1025),
        (new().path(format!("/{}", "é".repeat(200))), CookiePart::Path, 1201),
        (new().domain(&*format!("{}a", "a.".repeat(512))), CookiePart::Domain, 1025),
    ] {
        assert_eq!(refused(builder), Error::TooLong { part, octets, limit: 1024 });
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    for (builder, fix) in [
        (new().name(""), "give it one"),
        (new().name("a b"), "use ASCII letters"),
        (new().name("__Host-s"), "call `secure(true)`, or choose a name without the prefix"),
        (new().same_site(SameSite::None), "call `secure(true)`, or use SameSite::Lax"),
        (new().domain(""), "use `None`"),
        (new().domain("a..b"), "remove the dot"),
        (new().domain("http//a"), "give the bare name"),
        (new().path("app"), "use \"/\" for the whole site"),
        (new().path("/\n"), "remove it"),
    ] {
        let text = refused(builder).to_string();
        assert!(text.contains(fix), "{text}");
    }
}

fn assert_prefix(builder: CookieConfigBuilder, want: &str, missing: &str) {
    match refused(builder) {
        Error::Prefix { prefix, needs, .. } => assert_eq!((prefix, &*needs.to_string()), (want, missing)),
        other => panic!("{other}"),
    }
}
