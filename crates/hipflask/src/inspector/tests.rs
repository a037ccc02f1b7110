//! Tests of the pages, and of who can see them.

#[cfg(feature = "store")]
#[path = "tests_stored.rs"]
mod stored;

use std::time::Duration;

use axum::body::Body;
use axum::{Router, routing::get};
use hipflask_core::time::UnixTime;
use http::header::{COOKIE, HeaderMap, SET_COOKIE, VARY};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::Inspector;
use crate::{Session, Sessions};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// An inspected app, on either framework.
enum Site {
    Tower(Router),
    #[cfg(feature = "actix")]
    Actix(on_actix::Site),
}

impl Site {
    async fn answer(&self, method: &str, path: &str, cookie: &str) -> Response<String> {
        match self {
            Self::Tower(router) => {
                let request = Request::builder().method(method).uri(path).header(COOKIE, cookie);
                let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
                let (head, body) = response.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
            }
            #[cfg(feature = "actix")]
            Self::Actix(site) => site(method, path, cookie).await,
        }
    }
}

#[cfg(feature = "actix")]
mod on_actix {
    use std::future::Future;
    use std::pin::Pin;
    use std::rc::Rc;

    use actix_web::{App, test, web};
    use http::Response;

    use super::Inspector;
    use crate::{Session, Sessions};

    type Answering = Pin<Box<dyn Future<Output = Response<String>>>>;
    pub(super) type Site = Box<dyn Fn(&str, &str, &str) -> Answering>;

    pub(super) async fn site(sessions: &Sessions) -> Site {
        let app = App::new()
            .wrap(Inspector::danger_even_in_release().middleware(sessions))
            .route("/", web::get().to(|| async { "untouched" }))
            .route(
                "/read",
                web::get().to(|session: Session| async move { session.len().unwrap().to_string() }),
            )
            .route("/login", web::get().to(login))
            .route("/keep", web::get().to(keep))
            .route("/logout", web::get().to(logout));
        let app = Rc::new(test::init_service(app).await);
        Box::new(move |method, path, cookie| {
            let method = method.parse().unwrap();
            let request = test::TestRequest::with_uri(path).method(method).insert_header(("cookie", cookie));
            let (request, app) = (request.to_request(), app.clone());
            Box::pin(async move {
                let answer = test::call_service(&*app, request).await;
                let mut response = Response::builder().status(answer.status().as_u16());
                for (name, value) in answer.headers() {
                    response = response.header(name.as_str(), value.as_bytes());
                }
                let body = test::read_body(answer).await;
                response.body(String::from_utf8(body.to_vec()).unwrap()).unwrap()
            })
        })
    }

    async fn login(session: Session) -> &'static str {
        session.set("user", "<b>ada</b>").unwrap();
        ""
    }

    async fn keep(session: Session) -> &'static str {
        session.set_permanent(true).unwrap();
        ""
    }

    async fn logout(session: Session) -> &'static str {
        session.clear().unwrap();
        ""
    }
}

/// A browser: it keeps the cookies that it is given and sends them.
#[derive(Clone, Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    async fn get(&mut self, app: &Site, path: &str) -> Response<String> {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = app.answer("GET", path, &pairs.join("; ")).await;
        self.keep(response.headers());
        response
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let (pair, _) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.set(name, value);
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(held, _)| held != name);
        if !value.is_empty() {
            self.0.push((name.into(), value.into()));
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    async fn text(&mut self, app: &Site, path: &str) -> String {
        self.get(app, path).await.into_body()
    }

    async fn shown(&mut self, app: &Site) -> serde_json::Value {
        serde_json::from_str(&self.text(app, "/_hipflask/session.json").await).unwrap()
    }
}

fn sessions(keys: &[&str]) -> Sessions {
    Sessions::builder().secret_keys(keys.iter().copied()).clock(|| NOW).build().unwrap()
}

fn router(sessions: &Sessions) -> Router {
    let router = Router::new()
        .route("/", get(|| async { "untouched" }))
        .route("/read", get(|session: Session| async move { session.len().unwrap().to_string() }))
        .route("/login", get(|session: Session| async move { session.set("user", "<b>ada</b>").unwrap() }))
        .route("/keep", get(|session: Session| async move { session.set_permanent(true) }))
        .route("/logout", get(|session: Session| async move { session.clear() }));
    router.layer(Inspector::danger_even_in_release().layer(sessions))
}

/// The same app on every framework.
async fn sites(sessions: &Sessions) -> Vec<Site> {
    vec![
        Site::Tower(router(sessions)),
        #[cfg(feature = "actix")]
        Site::Actix(on_actix::site(sessions).await),
    ]
}

const KEY: &str = "a key for these tests";

#[tokio::test]
async fn each_response_is_explained_in_a_sentence() {
    for app in sites(&sessions(&[KEY])).await {
        let mut browser = Browser::default();
        let steps = [
            ("/", "untouched", "Nobody looked at the session"),
            ("/read", "read", "The session was only read"),
            ("/login", "changed", "The session was modified and is not empty: saved"),
            ("/", "untouched", "Nobody looked at the session"),
            ("/keep", "changed", "It is permanent"),
            ("/", "refreshed", "it is permanent, and the cookie of such a session is refreshed"),
            ("/logout", "emptied", "nothing is left in it: its cookie is removed"),
            ("/nowhere", "untouched", "Nobody looked at the session"),
        ];
        for (path, reason, sentence) in steps {
            browser.get(&app, path).await;
            let last = &browser.shown(&app).await["last"];
            assert_eq!(last["request"], format!("GET {path}"));
            assert_eq!(last["reason"], reason, "{path}");
            assert!(last["why"].as_str().unwrap().contains(sentence), "{last}");
            assert_eq!(last["set_cookie"].is_null(), matches!(reason, "untouched" | "read"), "{last}");
        }
        let shown = browser.shown(&app).await;
        assert_eq!(shown["earlier"].as_array().unwrap().len(), 7, "the newest eight are kept");
        assert_eq!(shown["earlier"][0]["reason"], "emptied");
    }
}

#[tokio::test]
async fn a_cookie_is_taken_apart() {
    for app in sites(&sessions(&[KEY])).await {
        let mut browser = Browser::default();
        browser.get(&app, "/login").await;
        browser.get(&app, "/read").await;
        let last = browser.shown(&app).await["last"].clone();
        assert_eq!(
            last["flags"],
            serde_json::json!({"new": false, "modified": false, "accessed": true, "permanent": false})
        );
        assert_eq!(last["vary"], "Cookie");
        let sent = &last["cookie_sent"];
        assert_eq!(sent["json"], "{\n  \"user\": \"<b>ada</b>\"\n}");
        assert_eq!((&sent["timestamp"], &sent["signed_at"]), (&"ZVPxAA".into(), &1_700_000_000.into()));
        assert_eq!(
            (&sent["age_seconds"], &sent["key"], &sent["refused"]),
            (&0.into(), &0.into(), &serde_json::Value::Null)
        );
        let value = browser.cookie("session").unwrap();
        let parts = ["payload", "timestamp", "signature"].map(|part| sent[part].as_str().unwrap());
        assert_eq!(parts.join("."), value);
    }
}

#[tokio::test]
async fn cookie_shows_refusal_reason_or_old_key() {
    for app in sites(&sessions(&[KEY, "the key of last year"])).await {
        let mut browser = Browser::default();
        browser.set("session", "eyJhIjoxfQ.ZVPxAA.forged");
        browser.get(&app, "/read").await;
        let last = browser.shown(&app).await["last"].clone();
        assert_eq!(last["cookie_sent"]["refused"], "bad_signature");
        assert!(last["arrival"].as_str().unwrap().starts_with("A cookie was sent but refused"), "{last}");
        assert_eq!(last["flags"]["new"], true);

        let mut session = hipflask_core::session::SessionDict::new();
        session.set("user", "ada").unwrap();
        browser.set("session", &sessions(&["the key of last year"]).sign(&session).unwrap());
        browser.get(&app, "/read").await;
        assert_eq!(browser.shown(&app).await["last"]["cookie_sent"]["key"], 1);
    }
}

#[tokio::test]
async fn markup_in_sessions_and_paths_is_escaped() {
    for app in sites(&sessions(&[KEY])).await {
        let mut browser = Browser::default();
        browser.get(&app, "/login").await;
        browser.get(&app, "/'%3Cscript%3E\"&").await;
        for path in ["/_hipflask/session", "/_hipflask/session/fragment"] {
            let page = browser.text(&app, path).await;
            assert!(page.contains("&#34;user&#34;: &#34;&lt;b&gt;ada&lt;/b&gt;&#34;"), "{page}");
            assert!(
                !page.contains("<b>ada") && !page.contains("<script>") && page.contains("/&#39;%3Cscript"),
                "{page}"
            );
        }
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    for app in sites(&sessions(&[KEY])).await {
        let mut browser = Browser::default();
        browser.get(&app, "/keep").await;
        let before = browser.shown(&app).await;
        for path in ["session", "session/fragment", "session.json", "inspector.css", "inspector.js"] {
            let response = browser.get(&app, &format!("/_hipflask/{path}")).await;
            assert_eq!(response.status(), 200, "{path}");
            assert!(
                !response.headers().contains_key(SET_COOKIE) && !response.headers().contains_key(VARY),
                "{path}"
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(
                response.headers()["content-security-policy"]
                    .to_str()
                    .unwrap()
                    .starts_with("default-src 'none'")
            );
        }
        assert_eq!(browser.shown(&app).await, before);
        let post = app.answer("POST", "/_hipflask/session", "").await;
        assert_eq!((post.status().as_u16(), post.headers()["allow"].as_bytes()), (405, &b"GET, HEAD"[..]));
        let head = app.answer("HEAD", "/_hipflask/session", "").await;
        assert_eq!((head.status().as_u16(), head.body().as_str()), (200, ""));
    }
}

#[tokio::test]
async fn a_visitor_never_sees_the_session_of_another() {
    for app in sites(&sessions(&[KEY])).await {
        let (mut ada, mut eve) = (Browser::default(), Browser::default());
        ada.get(&app, "/login").await;
        eve.get(&app, "/read").await;
        assert!(!eve.text(&app, "/_hipflask/session").await.contains("ada"));
        // A guessed id is not taken over.
        let mut guess = Browser::default();
        guess.set("_hipflask_inspector", "00000000000000000000000000000000");
        guess.get(&app, "/read").await;
        assert_ne!(guess.cookie("_hipflask_inspector"), Some("00000000000000000000000000000000"));
    }
}

#[tokio::test]
async fn planted_id_shows_nothing_of_the_login() {
    for app in sites(&sessions(&[KEY])).await {
        for history in [&["/read"][..], &["/login"], &["/login", "/logout"], &["/login", "/logout", "/read"]]
        {
            let mut eve = Browser::default();
            let mut held = vec![None];
            for path in history {
                eve.get(&app, path).await;
                held.push(eve.cookie("session").map(str::to_owned));
            }
            let planted = eve.cookie("_hipflask_inspector").unwrap().to_owned();
            let mut ada = Browser::default();
            ada.set("_hipflask_inspector", &planted);
            ada.get(&app, "/read").await;
            ada.get(&app, "/keep").await;
            let secret = ada.cookie("session").unwrap().to_owned();
            assert!(ada.text(&app, "/_hipflask/session.json").await.contains(&secret), "Ada sees her own");
            // Eve comes with the id and with every session cookie that she ever held.
            for cookie in held {
                let mut eve = Browser::default();
                eve.set("_hipflask_inspector", &planted);
                eve.set("session", cookie.as_deref().unwrap_or_default());
                assert!(!eve.text(&app, "/_hipflask/session.json").await.contains(&secret), "{history:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    for app in sites(&sessions(&[KEY])).await {
        let mut first = Browser::default();
        first.get(&app, "/login").await;
        for _ in 0..64 {
            Browser::default().get(&app, "/read").await;
        }
        assert_eq!(
            first.shown(&app).await["last"],
            serde_json::Value::Null,
            "the most silent browser is forgotten"
        );
        let mut other = Browser::default();
        let huge = "x".repeat(100_000);
        other.set("session", &huge);
        other.get(&app, "/read").await;
        assert!(other.text(&app, "/_hipflask/session").await.len() < 60_000);
    }
}

#[tokio::test]
async fn browser_cookie_is_http_only_and_follows_session() {
    let sessions = Sessions::builder().secret_key(KEY).cookie_path("/shop").build().unwrap();
    for app in sites(&sessions).await {
        let response = Browser::default().get(&app, "/").await;
        let line = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(
            line.starts_with("_hipflask_inspector=")
                && line.ends_with("; HttpOnly; Path=/shop; SameSite=Lax")
        );
    }
}

#[tokio::test]
async fn parallel_and_icon_requests_keep_the_history() {
    let sessions = Sessions::builder()
        .secret_key(KEY)
        .permanent_lifetime(Duration::from_secs(60))
        .clock({
            let ticks = std::sync::atomic::AtomicU64::new(1_700_000_000);
            move || UnixTime::from_secs(ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        })
        .build()
        .unwrap();
    for app in sites(&sessions).await {
        let mut browser = Browser::default();
        browser.get(&app, "/keep").await;
        let mut other = browser.clone();
        browser.get(&app, "/").await;
        assert_ne!(other.cookie("session"), browser.cookie("session"), "a permanent session is signed again");
        other.get(&app, "/read").await;
        other.get(&app, "/favicon.ico").await;
        let shown = other.shown(&app).await;
        assert_eq!(shown["last"]["request"], "GET /read");
        assert_eq!(shown["earlier"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn release_build_needs_explicit_consent() {
    assert_eq!(Inspector::new().is_ok(), cfg!(debug_assertions));
    assert!(super::InspectorError::Release.to_string().contains("danger_even_in_release"));
    assert_eq!(format!("{:?}", Inspector::danger_even_in_release()), "Inspector(..)");
}

#[cfg(feature = "app")]
#[tokio::test]
async fn app_has_an_inspector_only_in_debug() {
    for debug in [true, false] {
        let app = crate::App::new("inspected").secret_key(KEY).debug(debug).danger_debug_in_release(true);
        let app =
            app.route("login", "/login", get(|session: Session| async move { session.set("user", "ada") }));
        let app = app.application_root("/shop").into_router().unwrap();
        let app = Site::Tower(Router::new().nest_service("/shop", app));
        let mut browser = Browser::default();
        browser.get(&app, "/shop/login").await;
        let shown = browser.get(&app, "/shop/_hipflask/session").await;
        assert_eq!(shown.status(), if debug { 200 } else { 404 });
        assert_eq!(browser.cookie("_hipflask_inspector").is_some(), debug);
        if debug {
            let page = browser.text(&app, "/shop/_hipflask/session").await;
            assert!(page.contains("saved in a cookie that ends with the browser"), "{page}");
        }
    }
}

#[cfg(feature = "store")]
#[test]
fn stored_session_is_shown_as_an_id() {
    use super::exchange::{Answer, Exchange};
    use super::view::{Arrival, View, Why};

    let store = std::sync::Arc::new(hipflask_store::memory::MemoryStore::new());
    let sessions = crate::Sessions::builder().store(store).build().unwrap();
    let exchange = Exchange {
        method: "GET".into(),
        path: "/".into(),
        at: sessions.now(),
        sent: Some("A".repeat(43)),
        answer: Answer::default(),
    };
    let view = View::new(1, &exchange, &sessions);
    assert!(matches!(view.arrival, Arrival::Id));
    assert!(matches!(view.why, Why::Planned(_)));
    assert!(view.sent.is_some_and(|cookie| cookie.verdict.is_none()));
}

#[cfg(feature = "actix")]
#[tokio::test]
async fn inspector_of_a_scope_answers_below_its_path() {
    use actix_web::{App, test, web};

    let inspected = Inspector::danger_even_in_release().middleware(&sessions(&[KEY]));
    let scope = web::scope("/shop").wrap(inspected).route("/", web::get().to(|| async { "shop" }));
    let app = test::init_service(App::new().service(scope)).await;
    for (path, status) in [("/shop/_hipflask/session", 200), ("/shop/", 200), ("/_hipflask/session", 404)] {
        let request = test::TestRequest::with_uri(path).to_request();
        assert_eq!(test::call_service(&app, request).await.status().as_u16(), status, "{path}");
    }
}
