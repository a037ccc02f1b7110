//! The cost of a login on top of a request that reads one text of its session, in axum apps without sockets.

use std::convert::Infallible;
use std::rc::Rc;

use actix_web::rt::{System, SystemRunner};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, header};
use axum::routing::{MethodRouter, RouterIntoService, get};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use axum_login_sessions::{MemoryStore, Session as TowerSession, SessionManagerLayer};
use hipflask::hipflask_core::session::SessionDict;
use hipflask::login::{FlaskLogin, Login, LoginUser};
use hipflask::{Session, SessionError};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use crate::measure::{Plan, Row, measure, processor_time};
use crate::operations::members;
use crate::payload::{M, Payload, S};
use crate::visit::sessions;

/// A row, named after its app.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Without sessions.
    Axum,
    /// The handler reads the session.
    Ours,
    /// The same below the layer of logins, whose user no handler wants.
    OursWithLayer,
    /// The handler reads the session and wants the user.
    OursWithUser,
    /// The handler reads the session, which is in memory.
    TowerSessions,
    /// The handler reads the session and wants the user.
    AxumLogin,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Axum,
        Self::Ours,
        Self::OursWithLayer,
        Self::OursWithUser,
        Self::TowerSessions,
        Self::AxumLogin,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Ours => "ours",
            Self::OursWithLayer => "ours, login layer unused",
            Self::OursWithUser => "ours, LoginUser",
            Self::TowerSessions => "tower-sessions",
            Self::AxumLogin => "axum-login on tower-sessions",
        }
    }
}

/// Measures all rows: nanoseconds per request.
pub fn run(plan: Plan) -> Vec<(Kind, Payload, f64)> {
    let system = Rc::new(System::new());
    let about: Vec<(Kind, Payload)> =
        [S, M].into_iter().flat_map(|payload| Kind::ALL.map(|kind| (kind, payload))).collect();
    let mut rows: Vec<Row> = about.iter().map(|&(kind, payload)| row(&system, kind, payload)).collect();
    measure(&mut rows, plan, |round| {
        if round % 10 == 0 {
            eprint!("\r{} rows, round {round} of {} ", about.len(), plan.rounds);
        }
    });
    eprintln!("\r{:<40}\r", "");
    about.iter().zip(&rows).map(|(&(kind, payload), row)| (kind, payload, row.median())).collect()
}

/// Logs in, and repeats the read with the cookies of the login.
fn row(system: &Rc<SystemRunner>, kind: Kind, payload: Payload) -> Row {
    let mut app = service(kind, payload);
    // Every row of ours reads the session of a login.
    let cookies = match kind {
        Kind::Ours => system.block_on(log_in(&mut service(Kind::OursWithLayer, payload))),
        _ => system.block_on(log_in(&mut app)),
    };
    let system = system.clone();
    let run = move |times: u32| {
        system.block_on(async {
            let start = processor_time();
            for _ in 0..times {
                let body = body(ask(&mut app, "/read", &cookies).await).await;
                assert!(body == payload.last.1.as_bytes(), "{}: {body:?}", kind.name());
            }
            processor_time() - start
        })
    };
    Row::measured_elsewhere(kind.name().to_owned(), run)
}

fn service(kind: Kind, payload: Payload) -> RouterIntoService<Body> {
    app(kind, payload).with_state(()).into_service()
}

async fn log_in(app: &mut RouterIntoService<Body>) -> HeaderValue {
    let reply = ask(app, "/login", &HeaderValue::from_static("other=1")).await;
    assert!(reply.status().is_success(), "{}", reply.status());
    let lines = reply.headers().get_all(header::SET_COOKIE).iter();
    let pairs = lines.map(|line| line.to_str().expect("a cookie").split(';').next().unwrap_or_default());
    HeaderValue::try_from(pairs.collect::<Vec<_>>().join("; ")).expect("cookies")
}

async fn ask(app: &mut RouterIntoService<Body>, path: &'static str, cookies: &HeaderValue) -> Response<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = axum::http::Uri::from_static(path);
    request.headers_mut().insert(header::COOKIE, cookies.clone());
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    app.call(request).await.unwrap_or_else(|never| match never {})
}

async fn body(mut response: Response<Body>) -> Bytes {
    let frame = response.body_mut().frame().await.and_then(Result::ok);
    frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default()
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

const USER: &str = "7";

fn app(kind: Kind, payload: Payload) -> Router {
    let sessions = sessions();
    match kind {
        Kind::Axum => Router::new()
            .route("/read", get(async move || payload.last.1.to_owned()))
            .route("/login", get(async || ())),
        Kind::Ours => ours(payload).layer(sessions.layer()),
        Kind::OursWithLayer => ours(payload).layer(login(&sessions).layer()).layer(sessions.layer()),
        Kind::OursWithUser => with_user(payload).layer(login(&sessions).layer()).layer(sessions.layer()),
        Kind::TowerSessions => {
            tower_sessions(payload).layer(SessionManagerLayer::new(MemoryStore::default()))
        }
        Kind::AxumLogin => {
            let store = SessionManagerLayer::new(MemoryStore::default());
            axum_login(payload).layer(AuthManagerLayerBuilder::new(Users, store).build())
        }
    }
}

#[derive(Clone, Debug)]
struct User;

fn login(sessions: &hipflask::Sessions) -> FlaskLogin {
    let login = FlaskLogin::builder(sessions).load(async |_| Some(User));
    login.build().expect("the key is a text")
}

fn ours(payload: Payload) -> Router {
    let read = async move |session: Session| -> Result<String, SessionError> {
        Ok(session.get(payload.last.0)?.unwrap_or_default())
    };
    routes(get(read), payload)
}

fn with_user(payload: Payload) -> Router {
    let read = async move |user: LoginUser<User>, session: Session| -> Result<String, SessionError> {
        assert!(user.id() == USER && user.is_fresh(), "the login is fresh");
        Ok(session.get(payload.last.0)?.unwrap_or_default())
    };
    routes(get(read), payload)
}

/// The route that is measured, and the login.
fn routes(read: MethodRouter, payload: Payload) -> Router {
    let log_in = async move |session: Session| fill_ours(session, payload).await;
    Router::new().route("/read", read).route("/login", get(log_in))
}

async fn fill_ours(session: Session, payload: Payload) -> Result<(), SessionError> {
    let filled = SessionDict::from_json(payload.json).expect("the payload is a session");
    session.update(filled.items().map(|(key, value)| (key.clone(), value.clone())))?;
    session.log_in(Login::of(USER)).await.expect("the layer of logins is there");
    Ok(())
}

fn tower_sessions(payload: Payload) -> Router {
    Router::new()
        .route("/read", get(async move |session: TowerSession| read(&session, payload).await))
        .route("/login", get(async move |session: TowerSession| fill(&session, payload).await))
}

async fn read(session: &TowerSession, payload: Payload) -> String {
    session.get::<String>(payload.last.0).await.expect("a text").unwrap_or_default()
}

async fn fill(session: &TowerSession, payload: Payload) {
    for (key, value) in members(payload) {
        session.insert_value(&key, value).await.expect("memory has room");
    }
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        USER.to_owned()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"a hash of the password"
    }
}

#[derive(Clone)]
struct Users;

impl AuthnBackend for Users {
    type User = User;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
    }

    async fn get_user(&self, _: &String) -> Result<Option<User>, Infallible> {
        Ok(Some(User))
    }
}

fn axum_login(payload: Payload) -> Router {
    let log_in = async move |mut auth: AuthSession<Users>, session: TowerSession| {
        fill(&session, payload).await;
        auth.login(&User).await.expect("memory has room");
    };
    let read = async move |auth: AuthSession<Users>, session: TowerSession| {
        assert!(auth.user.is_some_and(|user| user.id() == USER), "the user is logged in");
        read(&session, payload).await
    };
    Router::new().route("/read", get(read)).route("/login", get(log_in))
}
