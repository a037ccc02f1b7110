//! The cells of the page for those who come from Flask: each one stands here, is compiled, and is
//! tried where that is possible, with the client of the feature `test-client`. The last test holds
//! the page to this file.

use std::time::Duration;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _};
use axum::routing::{get, post};
use hipflask::csrf::{Csrf, CsrfError};
use hipflask::hipflask_core::tagged::KeyOrder;
use hipflask::login::{FlaskLogin, FreshLogin, Login, LoginUser, Protection, safe_next};
use hipflask::test::TestClient;
use hipflask::{
    App, ConfigError, Derivation, Digest, Form, Response, Result, SameSite, Session, SessionError, Sessions,
    context, redirect, render_template, render_template_string, url_for,
};
use hipflask::{RequestInfo, login_required};
use serde::Deserialize;

use crate::front::{Ask, FRONTS, sessions, view};

async fn the_session() -> Result<&'static str, SessionError> {
    assert!(hipflask::current().is_some());
    let session = hipflask::session().await?;
    let (d, v, x) = ("Guest".to_owned(), "dark", 5);
    assert!(session.is_new()? && session.is_empty()? && !session.is_modified()?);
    session.set("k", v)?;
    assert_eq!(session.get::<String>("k")?.as_deref(), Some(v));
    assert_eq!(session.get::<String>("none")?, None);
    assert_eq!(session.get("k")?.unwrap_or(d), v);
    assert!(session.contains("k")? && session.len()? == 1);
    assert_eq!(session.pop::<String>("k")?.as_deref(), Some(v));
    assert!(session.remove("k")?.is_none());
    session.update([("a", 1), ("b", 2)])?;
    assert_eq!(session.pop_item()?, Some(("b".into(), 2.into())));
    session.set_default("k", v)?;
    session.increment("n", 1)?;
    session.push("l", x)?;
    session.insert("d", hipflask::Dict::from([("k", hipflask::Dict::from([("x", 1)]))]))?;
    session.edit(|s| s.at("d")?.at("k")?.remove("x"))?;
    for key in session.keys()? {
        assert!(session.contains(&key)?);
    }
    let lengths = [session.values()?.len(), session.items()?.len(), session.to_dict()?.len()];
    assert_eq!(lengths, [session.len()?; 3]);
    session.set_modified(true)?;
    session.set_permanent(true)?;
    assert!(session.is_permanent()?);
    session.flash("text")?;
    session.flash_as("error", "text")?;
    let errors = session.flashed_messages()?.into_iter().filter(|flash| flash.category == "error");
    assert_eq!(errors.map(|flash| flash.text().into_owned()).collect::<Vec<_>>(), ["text"]);
    session.clear()?;
    assert!(matches!(session.save_now().await, Err(SessionError::SavedWithResponse)));
    Ok("done")
}

#[test]
fn session_statements_match_the_flask_page() {
    for front in FRONTS {
        let answer = front.answer(&sessions(), view(|_| the_session()), Ask::get("/"));
        assert_eq!((answer.status, answer.body.as_str()), (200, "done"), "{}", front.name());
    }
}

async fn settings(new: &str, old: &str, text: &str) -> Result<(), ConfigError> {
    let sessions = Sessions::builder()
        .secret_key("...")
        .secret_keys([new, old])
        .permanent_lifetime(Duration::from_secs(7 * 24 * 60 * 60))
        .refresh_each_request(false)
        .cookie_name("login")
        .cookie_domain("example.org")
        .cookie_path("/app")
        .cookie_http_only(false)
        .cookie_secure(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_partitioned(true)
        .max_cookie_size(0)
        .salt("another")
        .key_derivation(Derivation::Concat)
        .digest_method(Digest::Sha256)
        .key_order(KeyOrder::Insertion)
        .build()?;
    assert_eq!(
        sessions.cookie().set("v", None),
        "login=v; Domain=example.org; Secure; Path=/app; SameSite=Lax; Partitioned"
    );
    assert!(Sessions::from_env("NOT_SET").is_err());
    assert_eq!(Sessions::from_toml(text)?.cookie().name(), "login");
    Ok(())
}

async fn stores(text: &str) -> Result<(), ConfigError> {
    let builder =
        || Sessions::builder().session_permanent(false).key_prefix("s:").id_length(16).use_signer(false);
    assert!(builder().store_url("file:./flask_session").await?.build()?.is_stored());
    assert!(Sessions::connect_env("NOT_SET").await.is_err());
    assert!(Sessions::connect_toml(text).await?.is_stored());
    Ok(())
}

#[tokio::test]
async fn settings_match_the_flask_page() {
    let key = "SECRET_KEY = 'a key of the page for Flask users'\n";
    let named = format!("{key}SESSION_COOKIE_NAME = 'login'");
    settings("a key that is long enough", "one that was long enough", &named).await.unwrap();
    stores(&format!("{key}SESSION_TYPE = 'memory:'")).await.unwrap();
}

async fn end(session: Session) -> Result<(), SessionError> {
    session.regenerate()?;
    session.destroy()?;
    Ok(())
}

#[derive(Deserialize)]
struct Person {
    name: String,
    #[serde(default)]
    title: String,
}

async fn user(Path(name): Path<String>) -> Result<String> {
    let n = name;
    Ok(url_for!("user", name = n, page = 2, _anchor = "top")?)
}

async fn form() -> Result<Html<String>> {
    let user = "ada";
    Ok(render_template("page.html", context! { user => user }).await?)
}

async fn login(form: Form<Person>) -> Result<Response> {
    hipflask::session().await?.set("name", format!("{}{}", form.title, form.name))?;
    Ok(redirect(url_for("index")?))
}

async fn abort(session: Session) -> Result<Response> {
    if !session.contains("name")? {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    Ok("found".into_response())
}

#[derive(Deserialize)]
struct Search {
    q: Option<String>,
}

async fn inline(Query(search): Query<Search>) -> Result<Html<String>> {
    let text = if search.q.is_some() { "{{ request.args.q }}" } else { "nothing" };
    Ok(render_template_string(text, context! {}).await?)
}

async fn handler() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "not here")
}

async fn before(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if hipflask::session().await.is_ok() {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn app(sessions: Sessions) -> App {
    let (value, router, bytes) = (5, axum::Router::new().route("/more", get(inline)), 1000);
    App::new("name")
        .sessions(sessions)
        .route("user", "/user/{name}", get(user))
        .route("index", "/", get(inline))
        .route("abort", "/abort", get(abort))
        .route("end", "/end", get(end))
        .route("login", "/login", get(form).post(login))
        .template("page.html", "{{ user }}{{ name }}")
        .configure_templates(|templates| templates.global("name", value))
        .fallback(handler)
        .layer(axum::middleware::from_fn(before))
        .merge(router)
        .endpoint("name", "/path")
        .max_content_length(bytes)
}

/// Code that needs its own program, a server or files: only compiled.
#[expect(dead_code, reason = "the page has it, and the examples run it")]
async fn not_run(app: App, url: &str, (new, old): (&'static str, &'static str)) -> Result<()> {
    let named = [Sessions::from_env("FLASK")?, Sessions::connect_env("FLASK").await?];
    let text = "SESSION_TYPE = 'redis'\nSESSION_REDIS = 'redis://127.0.0.1'";
    let mut stored = Sessions::connect_toml(text).await?;
    for url in [url, "memcached://", "mongodb://", "dynamodb://", "sqlite:", "postgres://", "mysql://"] {
        stored = Sessions::builder().store_url(url).await?.build()?;
    }
    let sessions = stored.clone();
    sessions.purge_expired().await?;
    let interval = Duration::from_secs(60 * 60);
    app.sessions(named.into_iter().next().unwrap_or(stored))
        .secret_key("...")
        .env("FLASK")
        .toml("SESSION_COOKIE_SECURE = true")
        .configure(|sessions| sessions.cookie_secure(true))
        .configure(|sessions| sessions.secret_keys([new, old]))
        .templates("templates")
        .template("page.html", include_str!("coming_from_flask.rs"))
        .application_root("/shop")
        .route("post", "/post", post(form))
        .trusted_hosts(["example.org", ".example.org"])
        .purge_every(interval)
        .debug(true)
        .run("127.0.0.1:5000")
        .await?;
    App::new("name").run_from_args().await?;
    Ok(())
}

struct User {
    name: String,
}

async fn load_user(id: String) -> Option<User> {
    Some(User { name: id })
}

async fn account(user: LoginUser<User>) -> String {
    format!("{} {}", user.id(), user.is_fresh())
}

async fn anybody(user: Option<LoginUser<User>>) -> String {
    user.map_or_else(String::new, |user| user.user().name.clone())
}

async fn fresh_only(user: FreshLogin<User>) -> String {
    user.id().to_owned()
}

async fn changes_of_a_login(session: Session) -> Result<String> {
    let (id, next) = ("7", "/account".to_owned());
    session.log_in(Login::of(id).remember(true)).await?;
    session.confirm().await?;
    session.log_out().await?;
    Ok(safe_next(&next).unwrap_or("/").to_owned())
}

async fn tokens_of_a_form(csrf: Csrf, session: Session, info: RequestInfo) -> Result<String> {
    let (text, field) = (session.csrf_token()?, session.csrf_field()?);
    let token = text.as_bytes();
    csrf.verify(&session, Some(token), &info)?;
    Ok(field)
}

/// The reason of a refusal, for a layer around the one that refuses.
fn reason(response: &Response) -> Option<&CsrfError> {
    response.extensions().get()
}

const LOGIN_SETTINGS: &str = r#"
    SECRET_KEY = "a secret key for tests"
    TRUSTED_PROXIES = ["127.0.0.1"]
"#;

#[tokio::test]
async fn login_words_match_the_flask_page() {
    fn build() -> std::result::Result<axum::Router, hipflask::ConfigError> {
        let sessions = Sessions::builder().toml(LOGIN_SETTINGS)?.trusted_proxies(["127.0.0.1"]).build()?;
        let login = FlaskLogin::builder(&sessions).load(load_user).build()?;
        let other = FlaskLogin::builder(&sessions)
            .load(load_user)
            .login_view("/login")
            .refresh_view("/login-again")
            .protection(Protection::Strong)
            .remember_duration(Duration::from_secs(60))
            .remember_refresh_each_request(true)
            .build()?;
        let csrf = sessions.csrf()?.exempt("/hooks/").time_limit(None).ssl_strict(false).methods(["POST"]);
        let form = async move |session: Session, info: RequestInfo| {
            tokens_of_a_form(csrf.clone(), session, info).await
        };
        Ok(axum::Router::new()
            .route("/account", get(account))
            .route("/anybody", get(anybody))
            .route("/fresh", get(fresh_only))
            .route("/changes", get(changes_of_a_login))
            .route("/form", get(form))
            .layer(sessions.csrf()?.layer())
            .layer(login.layer())
            .layer(other.layer())
            .layer(sessions.layer()))
    }
    let sessions = Sessions::from_toml(LOGIN_SETTINGS).unwrap();
    let mut client = TestClient::new(build().unwrap(), &sessions);
    assert_eq!(client.get("/changes").await.text(), "/account");
    assert_eq!(client.get("/anybody").await.text(), "");
    assert_eq!(client.get("/fresh").await.status, 302);
    assert!(client.get("/form").await.text().starts_with("<input"));

    let app = App::csrf(App::new("name"))
        .sessions(sessions.clone())
        .login(|login| login.load(load_user).login_view("login"))
        .login(|login| login.load(load_user).show(|user: &User| context! { name => &user.name }))
        .template("page.html", "{{ current_user.is_authenticated }}{{ current_user.id }}")
        .route("account", "/account", login_required(get(account)))
        .route("form", "/form", post(async || "sent"));
    let mut client = TestClient::new(app.into_router().unwrap(), &sessions);
    assert_eq!(client.get("/account").await.status, 401);
    let refused = client.post_form("/form", &[]).await;
    assert!(refused.text().contains(&CsrfError::TokenMissing.to_string()));
    assert_eq!(reason(&Response::default()), None);
}

#[tokio::test]
async fn app_words_match_the_flask_page() {
    let sessions = Sessions::builder().store_url("memory:").await.unwrap().build().unwrap();
    let mut client = TestClient::new(app(sessions.clone()).into_router().unwrap(), &sessions);
    client.session(|session| session.set("theme", "dark")).unwrap();
    let theme = client.session_transaction(|session| session.get("theme")).await;
    assert_eq!(theme, Ok(Some("dark".to_owned())));
    assert_eq!(client.get("/user/ada").await.text(), "/user/ada?page=2#top");
    assert_eq!(client.get("/login").await.text(), "ada5");
    assert_eq!(client.get("/?q=find").await.text(), "find");
    assert_eq!(client.get("/more?q=find").await.text(), "find");
    assert_eq!(client.get("/none").await.text(), "not here");
    assert_eq!(client.get("/abort").await.status, 404);
    assert_eq!(client.post_form("/login", &[("title", "Dr. ")]).await.status, 400);
    let reply = client.post_form("/login", &[("name", "ada")]).await;
    assert_eq!((reply.status, reply.header(http::header::LOCATION)), (StatusCode::FOUND, "/"));
    assert_eq!(client.get("/end").await.status, 200);
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

/// The spans of code behind the first column of a table's row.
fn code(row: &str) -> Vec<String> {
    let row = row.replace(r"\|", "\u{1}");
    let cells = row.trim_matches('|').split('|').skip(1);
    let spans = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    spans.map(|span| span.replace('\u{1}', "|")).collect()
}

#[test]
fn flask_page_code_is_all_compiled() {
    let page = include_str!("../../../../docs/coming-from-flask.md");
    let here = without_blanks(include_str!("coming_from_flask.rs"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 70, "the tables are not read any more");
    for row in rows {
        for span in code(row).iter().filter(|span| !span.starts_with("cargo ")) {
            // Two points stand for whatever there is.
            for piece in without_blanks(span).split("..") {
                assert!(here.contains(piece), "`{span}` is in this row and not compiled: {row}");
            }
        }
    }
}
