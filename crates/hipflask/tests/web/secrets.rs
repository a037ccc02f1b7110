//! The output of `{:?}`: never a cookie, a key or a value of a session.

use std::fmt::Debug;
use std::sync::Arc;

use hipflask::hipflask_core::codec::SessionCodec;
use hipflask::hipflask_core::signing::{KeyRing, Signer, split_unverified};
use hipflask::hipflask_core::time::UnixTime;
use hipflask::store::Store;
use hipflask::store::memory::MemoryStore;
use hipflask::store::record::Format;
use hipflask::test::TestClient;
use hipflask::{CookieLine, SecretKey};

use crate::front::{NOW, block_on, builder, cookie};

/// A key, a key of the session and a value.
const KEY: &str = "the-secret-key-of-this-test";
const VALUE: &str = "the-value-of-this-session";

fn shows_nothing(cookie: &str, shown: &[(&str, &dyn Debug)]) {
    let value = cookie.split_once('=').unwrap().1;
    for (name, shown) in shown {
        for text in [format!("{shown:?}"), format!("{shown:#?}")] {
            let secrets = [KEY, VALUE].into_iter().chain(value.split('.').filter(|part| part.len() > 5));
            for secret in secrets {
                assert!(!text.contains(secret), "Debug of {name} shows {secret:?}: {text}");
                let octets = format!("{:?}", secret.as_bytes());
                assert!(!text.contains(octets.trim_matches(['[', ']'])), "Debug of {name} shows {secret:?}");
            }
        }
    }
}

#[test]
fn debug_of_a_cookie_session_shows_no_secret() {
    let builder = || builder().secret_keys([KEY, VALUE]);
    let sessions = builder().build().unwrap();
    let cookie = cookie(&sessions, |session| session.set("user", VALUE).unwrap());
    let value = cookie.split_once('=').unwrap().1;

    let request = sessions.begin([cookie.as_str()]);
    let session = block_on(request.open()).unwrap();
    session.push("list", VALUE).unwrap();
    session.flash(VALUE).unwrap();
    shows_nothing(&cookie, &[("RequestSession", &request), ("Session", &session)]);
    let changes = session.with(|data| data.changes().clone());
    let commit = block_on(request.finish()).unwrap();
    let sent = commit.set_cookie.clone().unwrap();
    shows_nothing(&sent, &[("SessionHeaders", &commit)]);
    assert_eq!(
        format!("{commit:?}"),
        r#"SessionHeaders { set_cookie: Some(session=..; HttpOnly; Path=/), vary_cookie: true, no_store: false }"#
    );

    let key = SecretKey::from(KEY);
    let ring = KeyRing::new(key.clone());
    let codec = SessionCodec::builder(ring.clone());
    let signer = Signer::builder(ring.clone());
    let built = signer.clone().salt("s").build().unwrap();
    let signed = built.sign(value);
    let unsigned = built.unsign(&signed).unwrap();
    let parts = split_unverified(value.as_bytes(), b'.').unwrap();
    let opened = sessions.verify(value).unwrap();
    let error = sessions.verify(&format!("{value}x")).unwrap_err();
    shows_nothing(
        &cookie,
        &[
            ("SessionsBuilder", &builder()),
            ("Sessions", &sessions),
            ("SecretKey", &key),
            ("KeyRing", &ring),
            ("SessionCodecBuilder", &codec),
            ("SignerBuilder", &signer),
            ("Signer", &built),
            ("Unsigned", &unsigned),
            ("Parts", &parts),
            ("Session of the core", &opened),
            ("Changes", &changes),
            ("OpenError", &error),
            ("CookieLine", &CookieLine::from(http_value(&cookie))),
            ("SessionLayer", &sessions.layer()),
            ("SessionMiddleware", &sessions.middleware()),
        ],
    );
}

fn http_value(text: &str) -> axum::http::HeaderValue {
    axum::http::HeaderValue::try_from(text).unwrap()
}

#[tokio::test]
async fn debug_of_a_test_client_shows_no_secret() {
    let sessions = builder().secret_key(KEY).build().unwrap();
    let app = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async |session: hipflask::Session| {
                session.set("user", VALUE).unwrap();
                "in"
            }),
        )
        .layer(sessions.layer());
    let mut client = TestClient::new(app, &sessions);
    let response = client.get("/").await;
    let cookie = response.set_cookies()[0].split(';').next().unwrap().to_owned();
    shows_nothing(&cookie, &[("TestResponse", &response), ("TestClient", &client)]);
}

#[test]
fn debug_of_a_stored_session_shows_no_secret() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = || builder().secret_key(KEY).store(store.clone()).use_signer(true);
    let sessions = builder().build().unwrap();
    let first = sessions.begin([""; 0]);
    block_on(first.open()).unwrap().set("user", VALUE).unwrap();
    let commit = block_on(first.finish()).unwrap();
    let cookie = commit.set_cookie.clone().unwrap().split(';').next().unwrap().to_owned();
    let request = sessions.begin([cookie.as_str()]);
    let session = block_on(request.open()).unwrap();
    session.push("list", VALUE).unwrap();

    let server = sessions.server_sessions().unwrap();
    let now = UnixTime::from_secs(NOW);
    let opened = block_on(server.open(cookie.split_once('=').unwrap().1.as_bytes(), now)).unwrap();
    let page = block_on(store.scan(&hipflask::store::Scan::new("session:"), now)).unwrap();
    let stored = block_on(store.load(&page.entries[0].key, now)).unwrap();
    let converted = Format::Json.convert(&stored.as_ref().unwrap().data).unwrap();
    let parts: Vec<_> =
        session.with(|data| data.parts().map(|(_, part)| format!("{part:?}")).collect()).unwrap();
    let record = Format::read(&stored.as_ref().unwrap().data).unwrap();
    shows_nothing(
        &cookie,
        &[
            ("SessionsBuilder", &builder()),
            ("Sessions", &sessions),
            ("ServerSessions", server),
            ("SessionHeaders", &commit),
            ("RequestSession", &request),
            ("Session", &session),
            ("Opened", &opened),
            ("Page", &page),
            ("Stored", &stored),
            ("Record", &record),
            ("Converted", &converted),
            ("Part", &parts),
        ],
    );
}
