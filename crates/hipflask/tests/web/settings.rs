//! Settings that would leave visitors without a session, or sessions without protection.

use std::sync::Arc;
use std::time::Duration;

use hipflask::store::memory::MemoryStore;
use hipflask::{ConfigError, Profile, SameSite, SessionsBuilder};

use crate::front::builder;
use crate::log::logged;

#[test]
fn the_strict_profile_loses_no_protection_silently() {
    let strict = || builder().secret_key("k".repeat(32)).profile(Profile::Strict).cookie_name("session");
    type Change = fn(SessionsBuilder) -> SessionsBuilder;
    let cases: [(Change, &str, &str, &str); 4] = [
        (|builder| builder.cookie_secure(false), "SESSION_COOKIE_SECURE = false", "Secure", "cookie_secure"),
        (
            |builder| builder.cookie_http_only(false),
            "SESSION_COOKIE_HTTPONLY = false",
            "HttpOnly",
            "cookie_http_only",
        ),
        (|builder| builder.cookie_same_site(None), "", "SameSite", "cookie_same_site"),
        (
            |builder| builder.cookie_same_site(SameSite::None),
            "SESSION_COOKIE_SAMESITE = 'None'",
            "SameSite",
            "cookie_same_site",
        ),
    ];
    for (change, toml, attribute, setting) in cases {
        let built = change(strict()).build().map(|_| ()).unwrap_err();
        assert!(matches!(built, ConfigError::InsecureCookie { .. }), "{built}");
        let text = built.to_string();
        assert!(
            text.contains(attribute) && text.contains(setting) && text.contains("danger_insecure_cookie"),
            "{text}"
        );
        if !toml.is_empty() {
            assert_eq!(strict().toml(toml).unwrap().build().map(|_| ()).unwrap_err(), built);
            let (name, value) = toml.split_once(" = ").unwrap();
            let variable = (format!("FLASK_{name}"), value.trim_matches('\'').to_owned());
            assert_eq!(
                strict().variables("FLASK", [variable]).unwrap().build().map(|_| ()).unwrap_err(),
                built
            );
        }
        let allowed = change(strict()).danger_insecure_cookie(true).build();
        assert!(allowed.is_ok() || setting == "cookie_same_site", "{allowed:?}");
        assert!(change(builder().cookie_secure(true)).build().is_ok(), "the flask profile is as Flask");
    }
    let allowed = strict().cookie_secure(false).cookie_http_only(false).danger_insecure_cookie(true);
    assert_eq!(allowed.build().unwrap().cookie().set("v", None), "session=v; Path=/; SameSite=Lax");
    assert!(strict().cookie_same_site(SameSite::Strict).build().is_ok());
}

#[test]
fn lifetimes_that_end_every_session_are_errors() {
    let error = |builder: SessionsBuilder| builder.build().map(|_| ()).unwrap_err().to_string();
    let of = |millis| Duration::from_millis(millis);
    for (millis, shown) in [(0, "is 0ns,"), (500, "is 500ms,"), (999, "is 999ms,")] {
        let text = error(builder().permanent_lifetime(of(millis)));
        assert!(text.contains(shown) && text.contains("PERMANENT_SESSION_LIFETIME"), "{text}");
    }
    assert!(builder().permanent_lifetime(of(1000)).build().is_ok());
    let text = error(builder().toml("PERMANENT_SESSION_LIFETIME = 0").unwrap());
    assert!(text.contains("every request would start with an empty session"), "{text}");
    let zero = ("FLASK_PERMANENT_SESSION_LIFETIME".to_owned(), "0".to_owned());
    assert_eq!(error(builder().variables("FLASK", [zero]).unwrap()), text);

    let text = error(builder().permanent_lifetime(of(60_000)).absolute_lifetime(of(59_000)));
    assert!(text.contains("59s, which is shorter than the 60s"), "{text}");
    assert!(builder().permanent_lifetime(of(60_000)).absolute_lifetime(of(60_000)).build().is_ok());
    let strict = || builder().secret_key("k".repeat(32)).profile(Profile::Strict);
    let text = error(strict().permanent_lifetime(Duration::from_secs(86_400)));
    assert!(
        text.contains("absolute_lifetime is 43200s"),
        "the strict profile has an absolute lifetime: {text}"
    );
    let store = Arc::new(MemoryStore::new());
    assert!(error(builder().permanent_lifetime(Duration::ZERO).store(store)).contains("is 0ns,"));
}

#[test]
fn trusted_hosts_that_nothing_checks_are_a_warning() {
    let text = "TRUSTED_HOSTS = ['example.org']";
    let warned = |log: &[String]| log.iter().any(|line| line.contains("TRUSTED_HOSTS is not checked here"));
    let (built, log) = logged(|| builder().toml(text).unwrap().build());
    assert!(built.is_ok() && warned(&log), "{log:?}");
    let (app, log) = logged(|| hipflask::App::new("a").secret_key("k").toml(text).into_router());
    assert!(app.is_ok() && !warned(&log), "{log:?}");
}
