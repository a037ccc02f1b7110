//! One login that a Flask app and a Rust service share: both halves of the example `shared_login` with one
//! cookie jar, over HTTP. Flask's half is real Flask-Login and Flask-WTF.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod story;
mod visitor;
mod walk;

#[path = "../../../../demo/tests/stage/browser.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod browser;
#[path = "../tutorials/client.rs"]
#[expect(dead_code, reason = "the tutorials use all of it")]
mod client;

use hipflask_testkit::rng::TestRng;
use hipflask_testkit::servers::{HttpProgram, Redis};
use walk::{Place, Walk};

const STEPS: usize = 100;

#[test]
fn axum_agrees_with_real_flask_by_cookie() {
    walk("shared_login", &[], Place::Http);
    walk("shared_login", &[], Place::Https);
}

#[test]
fn actix_agrees_with_real_flask_by_cookie() {
    walk("shared_login_actix", &[], Place::Http);
    walk("shared_login_actix", &[], Place::Https);
}

#[test]
fn axum_agrees_with_real_flask_in_redis() {
    let redis = Redis::start().unwrap();
    walk("shared_login", &stored(&redis.url()), Place::Http);
    walk("shared_login", &stored(&redis.url()), Place::Https);
}

#[test]
fn actix_agrees_with_real_flask_in_redis() {
    let redis = Redis::start().unwrap();
    walk("shared_login_actix", &stored(&redis.url()), Place::Http);
    walk("shared_login_actix", &stored(&redis.url()), Place::Https);
}

fn stored(url: &str) -> [(&str, &str); 2] {
    [("SESSION_TYPE", "redis"), ("SESSION_REDIS", url)]
}

/// Takes random steps at both halves. After each, both say who is logged in and whether that is fresh.
fn walk(example: &str, sessions: &[(&str, &str)], place: Place) {
    let environment = [&[("SECRET_KEY", "schlüssel"), ("TRUSTED_PROXIES", "127.0.0.1")], sessions].concat();
    let flask = HttpProgram::python("crates/hipflask/examples/shared_login.py", &environment).unwrap();
    let rust = HttpProgram::example(example, &environment).unwrap();
    let mut rng = TestRng::fresh();
    let mut walk = Walk::new([flask.address(), rust.address()], place);
    for _ in 0..STEPS {
        walk.step(&mut rng);
        walk.halves_agree(&mut rng);
    }
    assert!(walk.counts.iter().all(|count| *count > 0), "each kind of step was taken: {:?}", walk.counts);
    assert!(!rust.log().contains("schlüssel"), "{}", rust.log());
}
