//! The same logins, by real Flask-Login and by ours. COMPATIBILITY.md lists the differences that the
//! comparison leaves out.

#![expect(clippy::print_stdout, reason = "the counts say what was compared")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hipflask::hipflask_core::login::{Client, Identifier, RememberTokens, identifier};
use hipflask::login::{FlaskLogin, FreshLogin, Login, LoginError, LoginUser};
use hipflask::test::CookieJar;
use hipflask::{CookieConfig, Dict, RequestSession, Session, Sessions, Value};
use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::oracle::serde_json::{Map, Value as Json, from_str, json};
use hipflask_testkit::rng::TestRng;
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::front::builder;

/// The answer of the judge.
#[derive(Debug, Deserialize)]
struct Theirs {
    status: Option<u16>,
    page: Option<String>,
    session: String,
    headers: Option<Vec<(String, String)>>,
}

const ADDRESS: &str = "192.0.2.7";

/// A session key with its possible values; the first one is the most frequent.
type Choices = (&'static str, Vec<Option<Value>>);

fn choices(own_id: &str) -> Vec<Choices> {
    let text = |text: &str| Some(Value::from(text));
    vec![
        ("_user_id", vec![text("7"), None, text("gone"), Some(7.into()), Some(Value::None), text("é")]),
        (
            "_fresh",
            vec![Some(true.into()), None, Some(false.into()), Some(1.into()), text("x"), Some(Value::None)],
        ),
        ("_id", vec![text(own_id), None, text("other"), Some(5.into())]),
        ("_remember", vec![None, None, None, text("set"), text("clear"), text("x")]),
        (
            "_remember_seconds",
            vec![None, None, Some(60.0.into()), Some(172_800.000_005.into()), Some(5.into()), text("x")],
        ),
        ("next", vec![None, text("/a")]),
        ("_permanent", vec![None, None, Some(true.into()), Some(false.into())]),
        ("cart", vec![None, Some(Value::from(vec![Value::from(1)]))]),
    ]
}

fn random_session(rng: &mut TestRng, own_id: &str) -> Dict {
    if rng.once_in(6) {
        return Dict::default();
    }
    let mut session = Dict::default();
    for (key, values) in choices(own_id) {
        let value = if rng.once_in(2) { &values[0] } else { rng.pick(&values) };
        if let Some(value) = value {
            session.insert(key, value.clone());
        }
    }
    session
}

/// The value of a remember cookie as a browser sends it back.
fn remember_cookie(rng: &mut TestRng) -> Option<String> {
    if rng.once_in(2) {
        return None;
    }
    let signed = |key: &str, id: &str| RememberTokens::new(&key.into()).unwrap().sign(id);
    let id = rng.pick(&["7", "ada lovelace", "gone", "a|b", "é"]);
    let value = match rng.below(5) {
        0 => signed("other", id),
        1 => signed("k", id).chars().skip(1).collect(),
        2 => ["", "|", "7|", "7"][rng.below(4)].to_owned(),
        _ => signed("k", id),
    };
    let line = CookieConfig::builder().name("x").build().unwrap().set(&value, None);
    Some(line.strip_prefix("x=")?.split(';').next()?.to_owned())
}

fn random_case(rng: &mut TestRng) -> Json {
    let agent = *rng.pick(&["Mozilla/5.0", "it's", ""]);
    let forwarded = *rng.pick(&[None, None, Some("203.0.113.9, 10.0.0.1")]);
    let client = Client::new(Some(ADDRESS.as_bytes()), Some(agent.as_bytes()));
    let own_id = identifier(Identifier::V06, &client.forwarded_for(forwarded.map(str::as_bytes)));
    let mut headers = vec![json!(["User-Agent", agent])];
    headers.extend(forwarded.map(|value| json!(["X-Forwarded-For", value])));
    let mut config = Map::new();
    match rng.below(4) {
        0 => drop(config.insert("SESSION_PROTECTION".into(), json!("strong"))),
        1 => drop(config.insert("SESSION_PROTECTION".into(), Json::Null)),
        _ => {}
    }
    if rng.once_in(4) {
        config.insert("REMEMBER_COOKIE_REFRESH_EACH_REQUEST".into(), json!(true));
    }
    if rng.once_in(4) {
        for (name, value) in [
            ("REMEMBER_COOKIE_NAME", json!("rt")),
            ("REMEMBER_COOKIE_DURATION", json!(3600)),
            ("REMEMBER_COOKIE_PATH", json!("/app")),
            ("REMEMBER_COOKIE_SECURE", json!(true)),
            ("REMEMBER_COOKIE_HTTPONLY", json!(false)),
            ("REMEMBER_COOKIE_SAMESITE", json!("Lax")),
        ] {
            config.insert(name.into(), value);
        }
    }
    let views = rng.once_in(2);
    if views && rng.once_in(3) {
        config.insert("USE_SESSION_FOR_NEXT".into(), json!(true));
    }
    let actions = ["none", "me", "me", "login", "logout", "confirm", "required", "fresh_required"];
    json!({
        "config": config,
        "stored": rng.once_in(3),
        "session": describe(&Value::from(random_session(rng, &own_id))),
        "remember": remember_cookie(rng),
        "headers": headers,
        "address": ADDRESS,
        "path": "/?q=a%20b&r=1",
        "unknown": ["gone"],
        "action": rng.pick(&actions),
        "user": rng.pick(&["7", "ada lovelace", "é"]),
        "remember_me": rng.once_in(2),
        "duration": *rng.pick(&[None, Some(172_800.000_005), Some(60.0)]),
        "fresh": !rng.once_in(4),
        "login_view": views.then_some("sign-in"),
        "refresh_view": views.then_some("sign-in-again"),
    })
}

/// The answer of ours.
struct Ours {
    status: u16,
    page: String,
    session: Dict,
    headers: Vec<(String, String)>,
}

async fn ours(case: &Json) -> Ours {
    let config = from_str::<Dict>(&case["config"].to_string()).unwrap();
    let mut builder = builder().settings(&config).unwrap();
    if case["stored"] == true {
        builder = builder.store_url("memory:").await.unwrap();
    }
    let sessions = builder.build().unwrap();
    let seen = Arc::new(Mutex::new(None));
    let app = app(case.clone(), &sessions, seen.clone());
    let mut request = Request::builder().uri(case["path"].as_str().unwrap());
    for header in case["headers"].as_array().unwrap() {
        request = request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap());
    }
    let cookies = cookies(case, &sessions, config.get("REMEMBER_COOKIE_NAME").and_then(Value::as_str)).await;
    if !cookies.is_empty() {
        request = request.header("cookie", cookies);
    }
    let peer: SocketAddr = format!("{ADDRESS}:1").parse().unwrap();
    let request = request.extension(ConnectInfo(peer)).body(axum::body::Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let page = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let headers =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let session = seen.lock().unwrap().take().unwrap();
    Ours {
        status: head.status.as_u16(),
        page: String::from_utf8(page.to_vec()).unwrap(),
        session,
        headers: headers.collect(),
    }
}

/// The `Cookie` header of a case.
async fn cookies(case: &Json, sessions: &Sessions, remember_name: Option<&str>) -> String {
    let Value::Dict(session) = parse(case["session"].as_str().unwrap()).unwrap() else { panic!("no dict") };
    let mut jar = CookieJar::new(sessions);
    if !session.is_empty() {
        let fill = |handle: &Session| {
            handle.with(|data| {
                data.clear();
                data.update(session.clone().into_entries())
            })??;
            Ok(())
        };
        jar.session_transaction(fill).await.unwrap();
    }
    let mut line = jar.header("/");
    if let Some(value) = case["remember"].as_str() {
        let separator = if line.is_empty() { "" } else { "; " };
        line = format!("{line}{separator}{}={value}", remember_name.unwrap_or("remember_token"));
    }
    line
}

type Seen = Arc<Mutex<Option<Dict>>>;

/// The app of the judge. `seen` gets the session after the request.
fn app(case: Json, sessions: &Sessions, seen: Seen) -> Router {
    let mut login = FlaskLogin::builder(sessions).load(async |id| (id != "gone").then_some(id));
    if case["login_view"].is_string() {
        login = login.login_view("/sign-in").refresh_view("/sign-in-again");
    }
    let login = login.build().unwrap();
    let see = move |request: Request, next: Next| {
        let seen = seen.clone();
        async move {
            let session: RequestSession = request.extensions().get().cloned().unwrap();
            let response = next.run(request).await;
            *seen.lock().unwrap() = Some(session.open().await.unwrap().to_dict().unwrap());
            response
        }
    };
    Router::new()
        .route("/", get(move |request: Request| act(case, request)))
        .layer(login.layer())
        .layer(middleware::from_fn(see))
        .layer(sessions.layer())
}

async fn act(case: Json, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let action = case["action"].as_str().unwrap();
    match action {
        "none" => return "untouched".into_response(),
        "required" => {
            let user = <LoginUser<String> as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await;
            return user.map(|_| "in").into_response();
        }
        "fresh_required" => {
            let user = FreshLogin::<String>::from_request_parts(&mut parts, &()).await;
            return user.map(|_| "in").into_response();
        }
        _ => {}
    }
    let session = <Session as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.unwrap();
    match change(&case, action, &session).await {
        Ok(()) => {}
        Err(error) => return error.into_response(),
    }
    let user = <LoginUser<String> as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &());
    let user = user.await.unwrap().map(|user| user.id().to_owned());
    let fresh = session.value("_fresh").unwrap().is_some_and(|value| value.is_true());
    json!({"user": user, "fresh": fresh}).to_string().into_response()
}

async fn change(case: &Json, action: &str, session: &Session) -> Result<(), LoginError> {
    match action {
        "login" => {
            let mut login = Login::of(case["user"].as_str().unwrap())
                .remember(case["remember_me"] == true)
                .fresh(case["fresh"] == true);
            if let Some(seconds) = case["duration"].as_f64() {
                login = login.duration(std::time::Duration::from_secs_f64(seconds));
            }
            session.log_in(login).await
        }
        "logout" => session.log_out().await,
        "confirm" => session.confirm().await,
        _ => Ok(()),
    }
}

/// The headers that must be equal: the remember cookie and the redirect. The removal of the remember
/// cookie repeats its attributes here.
fn heads(headers: &[(String, String)]) -> Vec<String> {
    let wanted = headers.iter().filter_map(|(name, value)| {
        let removes = value.contains("Max-Age=0");
        match name.to_ascii_lowercase().as_str() {
            "location" => Some(value.clone()),
            "set-cookie" if value.starts_with("session=") => None,
            // Flask-Login remembers the user `None`; ours remembers nobody.
            "set-cookie" if value.contains("=None|") => None,
            "set-cookie" if removes => Some(format!("removed: {}", value.split('=').next()?)),
            "set-cookie" => Some(value.clone()),
            _ => None,
        }
    });
    wanted.collect()
}

/// `fresh` in Python may be any value; only its truth counts.
fn page(text: &str) -> Json {
    let Ok(Json::Object(mut page)) = from_str::<Json>(text) else { return json!(text) };
    let is_true = match &page["fresh"] {
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        _ => false,
    };
    page.insert("fresh".into(), json!(is_true));
    Json::Object(page)
}

/// The session without what only ours puts there.
fn plain(mut session: Dict) -> String {
    session.remove("_auth_at");
    describe(&Value::from(session))
}

fn sorted(description: &str) -> String {
    let Value::Dict(dict) = parse(description).unwrap() else { panic!("no dict") };
    let mut entries: Vec<_> = dict.into_entries();
    entries.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    describe(&Value::from(entries.into_iter().fold(Dict::default(), |mut dict, (key, value)| {
        dict.insert(key, value);
        dict
    })))
}

/// A request that uses neither the user nor the session leaves the session alone, even if it has an
/// order of Flask-Login in it.
fn is_left_alone(case: &Json, ours: &Ours) {
    let before = case["session"].as_str().unwrap();
    // A new session in a store is permanent from the start.
    let before = if before == "{}" && case["stored"] == true { "{s5f7065726d616e656e74:T}" } else { before };
    assert_eq!(sorted(&describe(&Value::from(ours.session.clone()))), sorted(before), "{case}");
    assert!(heads(&ours.headers).is_empty(), "{case}");
}

fn compare(count: usize) {
    let mut rng = TestRng::fresh();
    let cases: Vec<Json> = (0..count).map(|_| random_case(&mut rng)).collect();
    let mut flask = RealFlask::start().unwrap();
    let request = Map::from_iter([("cases".to_owned(), Json::Array(cases.clone()))]);
    let theirs: Vec<Theirs> = flask.ask("login", request).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut failed, mut logged_in, mut remembered) = (0, 0, 0);
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = runtime.block_on(ours(case));
        let (Some(status), Some(text), Some(headers)) = (theirs.status, theirs.page, theirs.headers) else {
            // Flask fails with a 500; ours never does.
            assert!(ours.status < 500, "{case}");
            failed += 1;
            continue;
        };
        let expected_page = if status == 302 { json!("") } else { page(&text) };
        let is_empty_redirect = ours.status == 302;
        let our_page = if is_empty_redirect { json!("") } else { page(&ours.page) };
        assert_eq!((ours.status, our_page), (status, expected_page), "{case}");
        if case["action"] == "none" && case["config"]["REMEMBER_COOKIE_REFRESH_EACH_REQUEST"].is_null() {
            is_left_alone(case, &ours);
            continue;
        }
        assert_eq!(sorted(&plain(ours.session)), sorted(&theirs.session), "{case}");
        assert_eq!(heads(&ours.headers), heads(&headers), "{case}");
        logged_in += usize::from(page(&text)["user"].is_string());
        remembered += usize::from(heads(&headers).iter().any(|line| line.contains("Expires")));
    }
    println!(
        "{count} logins compared with real Flask-Login's: {logged_in} users, {remembered} remembered, {failed} 500s"
    );
    assert!(
        logged_in > count / 8 && remembered > count / 16 && failed < count / 8,
        "the cases are unbalanced"
    );
}

#[test]
fn real_flask_login_agrees_on_random_requests() {
    compare(400);
}

#[test]
#[ignore = "long run: cargo xtask full"]
fn long_real_flask_login_agrees_at_random() {
    compare(8000);
}
