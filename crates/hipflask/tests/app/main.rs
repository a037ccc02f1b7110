//! [`App`]: routes, errors, forms, and what happens without a key or under a prefix.
#![cfg(feature = "app")]
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod login;
mod urls;

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, header};
use axum::middleware::{self, Next};
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hipflask::{
    App, AppError, Form, Response, Result, Session, context, redirect, render_template,
    render_template_string, session, url_for,
};
use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::oracle::serde_json::{Map, json};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tower::ServiceExt as _;

const KEY: &str = "a key for the tests of the app";

struct Reply {
    status: u16,
    head: axum::http::HeaderMap,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn send(router: Router, request: Request<Body>) -> Reply {
    let (head, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Reply { status: head.status.as_u16(), head: head.headers, body }
}

async fn visit(app: App, path: &str) -> Reply {
    send(app.into_router().unwrap(), Request::get(path).body(Body::empty()).unwrap()).await
}

async fn send_form(app: App, kind: &str, form: impl Into<Body>) -> Reply {
    let request = Request::post("/form").header(header::CONTENT_TYPE, kind).body(form.into()).unwrap();
    send(app.into_router().unwrap(), request).await
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

async fn fails() -> Result<String> {
    let session = session().await?;
    session.set("n", "<not a number>")?;
    Ok(session.get::<u64>("n")?.unwrap_or(0).to_string())
}

#[tokio::test]
async fn error_is_explained_only_in_debug() {
    let app = || App::new("errors").secret_key(KEY).route("fails", "/", get(fails));
    let bare = visit(app(), "/").await;
    assert_eq!(bare.status, 500);
    assert!(bare.body.contains("<h1>Internal Server Error</h1>") && !bare.body.contains("session key"));
    let explained = visit(app().debug(true), "/").await;
    assert_eq!(explained.status, 500);
    assert!(
        explained.body.contains("session key &#34;n&#34;: found str, expected u64"),
        "{}",
        explained.body
    );
    assert_eq!(explained.header("cache-control"), Some("no-store"));
    for reply in [bare, explained] {
        let cookie = reply.header("set-cookie").expect("a session is saved with a 500, as in Flask");
        assert!(!reply.body.contains("not a number") && cookie.starts_with("session="));
    }
}

#[tokio::test]
async fn panic_is_a_500_with_the_session_saved() {
    async fn panics(session: Session) -> String {
        session.set("before", 1).unwrap();
        panic!("a bug in the handler")
    }
    let app = || App::new("panics").secret_key(KEY).route("panics", "/", get(panics));
    let reply = visit(app(), "/").await;
    assert_eq!((reply.status, reply.body.contains("bug")), (500, false));
    assert!(reply.header("set-cookie").is_some());
    assert!(visit(app().debug(true), "/").await.body.contains("the handler panicked: a bug in the handler"));
}

#[tokio::test]
async fn without_a_secret_key_only_reading_works() {
    async fn reads() -> Result<String> {
        let session = session().await?;
        Ok(format!(
            "{:?} {:?} {}",
            session.get::<String>("a")?,
            session.flashed_messages()?,
            session.is_permanent()?
        ))
    }
    async fn writes() -> Result<&'static str> {
        session().await?.set("a", 1)?;
        Ok("written")
    }
    let app = || App::new("no key").route("reads", "/", get(reads)).route("writes", "/writes", get(writes));
    let read = visit(app(), "/").await;
    assert_eq!((read.status, read.body.as_str()), (200, "None [] false"));
    assert_eq!((read.header("vary"), read.header("set-cookie")), (None, None));
    let bare = visit(app(), "/writes").await;
    assert_eq!((bare.status, bare.header("set-cookie")), (500, None));
    assert!(!bare.body.contains("secret key"));
    let explained = visit(app().debug(true), "/writes").await;
    let sentence = "The session is unavailable because no secret key was set.  Set the secret_key on the application to \
                    something unique and secret.";
    assert!(
        explained.body.contains(sentence) && explained.body.contains("App::secret_key"),
        "{}",
        explained.body
    );
}

#[derive(Deserialize)]
struct Person {
    name: String,
    #[serde(default)]
    age: u8,
}

fn with_form() -> App {
    async fn greet(form: Form<Person>) -> String {
        format!("{} {}", form.name, form.age)
    }
    App::new("form").secret_key(KEY).route("form", "/form", post(greet))
}

#[tokio::test]
async fn missing_form_field_is_a_400_naming_it() {
    assert_eq!(send_form(with_form(), URLENCODED, "name=Ada+L&age=36").await.body, "Ada L 36");
    assert_eq!(send_form(with_form(), URLENCODED, "name=").await.body, " 0");
    for (kind, form) in [(URLENCODED, "age=1"), (URLENCODED, ""), ("application/json", r#"{"name":"Ada"}"#)] {
        let reply = send_form(with_form(), kind, form).await;
        assert_eq!(reply.status, 400, "{form}");
        assert!(reply.body.contains("KeyError: &#39;name&#39;"), "{}", reply.body);
        assert_eq!(reply.header("vary"), None);
    }
}

#[tokio::test]
async fn bad_form_is_400_and_large_one_413() {
    let wrong = send_form(with_form(), URLENCODED, "name=a&age=old").await;
    assert!(wrong.status == 400 && wrong.body.contains("<h1>Bad Request</h1>"), "{}", wrong.body);
    let large =
        send_form(with_form().max_content_length(100), URLENCODED, format!("name={}", "x".repeat(200)));
    assert_eq!(large.await.status, 413);
    let default = send_form(with_form(), URLENCODED, format!("name={}", "x".repeat(3 << 20)));
    assert_eq!(default.await.status, 413);
}

#[tokio::test]
async fn unrouted_requests_get_flasks_answer_or_the_fallback() {
    let app = || with_form().debug(false);
    let missing = visit(app(), "/nowhere").await;
    assert_eq!((missing.status, missing.body.contains("<h1>Not Found</h1>")), (404, true));
    let method = visit(app(), "/form").await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert!(method.body.contains("The method is not allowed for the requested URL."));
    assert_eq!(visit(app().fallback(async || "mine"), "/nowhere").await.body, "mine");
}

/// Sets a key, and links and redirects to other routes.
fn shop() -> App {
    async fn index() -> Result<String> {
        session().await?.set("seen", true)?;
        let item = url_for!("item", name = "a b/c", page = 2, _anchor = "top")?;
        Ok(format!("{} {item} {}", url_for("index")?, url_for!("item", name = 1, _external = true)?))
    }
    async fn item() -> Result<Response> {
        Ok(redirect(url_for("index")?))
    }
    App::new("shop").secret_key(KEY).route("index", "/", get(index)).route("item", "/item/{name}", get(item))
}

#[tokio::test]
async fn urls_and_cookie_path_have_the_prefix() {
    let request =
        |path: &str| Request::get(path).header(header::HOST, "example.org").body(Body::empty()).unwrap();
    let nested = || Router::new().nest("/shop", shop().application_root("/shop").into_router().unwrap());
    let service =
        || Router::new().nest_service("/shop", shop().application_root("/shop").into_router().unwrap());
    for (router, path) in [(nested(), "/shop"), (service(), "/shop"), (service(), "/shop/")] {
        let reply = send(router, request(path)).await;
        let expected = "/shop/ /shop/item/a%20b/c?page=2#top http://example.org/shop/item/1";
        assert_eq!((reply.status, reply.body.as_str()), (200, expected), "{path}");
        assert!(reply.header("set-cookie").unwrap().ends_with("; HttpOnly; Path=/shop"));
    }
    let reply = send(service(), request("/shop/item/x")).await;
    assert_eq!((reply.status, reply.header("location")), (302, Some("/shop/")));
    let reply = send(shop().into_router().unwrap(), request("/")).await;
    assert_eq!(reply.body, "/ /item/a%20b/c?page=2#top http://example.org/item/1");
}

#[tokio::test]
async fn urls_and_templates_fail_outside_of_requests() {
    let error = url_for("index").unwrap_err().to_string();
    assert!(error.starts_with("Working outside of request context."));
    let error = render_template("page.html", context! {}).await.unwrap_err().to_string();
    assert!(error.contains("Working outside of request context."), "{error}");
}

#[tokio::test]
async fn axum_state_layers_and_routers_work_inside() {
    async fn counts(
        State(step): State<i64>,
        session: Session,
        Extension(by): Extension<&'static str>,
    ) -> String {
        format!("{} {by}", session.increment("n", step).unwrap())
    }
    async fn opens(session: Session, request: axum::extract::Request, next: Next) -> Response {
        session.set("layer", true).unwrap();
        next.run(request).await
    }
    let app = App::new("axum")
        .secret_key(KEY)
        .layer(Extension("the layer"))
        .layer(middleware::from_fn(opens))
        .route("counts", "/", get(counts).with_state(5))
        .merge(Router::new().route("/about", get(async || url_for("about").unwrap())))
        .endpoint("about", "/about");
    let router = app.into_router().unwrap();
    let to = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let reply = send(router.clone(), to("/")).await;
    assert_eq!(reply.body, "5 the layer");
    let sessions = hipflask::Sessions::builder().secret_key(KEY).build().unwrap();
    let cookie = reply.header("set-cookie").unwrap().strip_prefix("session=").unwrap();
    let session = sessions.verify(cookie.split(';').next().unwrap()).unwrap();
    assert!(session.contains("layer") && session.contains("n"));
    assert_eq!(send(router, to("/about")).await.body, "/about");
}

#[tokio::test]
async fn templates_come_from_program_and_directory() {
    let directory = std::env::temp_dir().join(format!("hipflask-templates-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("file.html"),
        "{% extends 'base.html' %}{% block b %}{{ who }}{% endblock %}",
    )
    .unwrap();
    async fn page(name: axum::extract::Path<String>) -> Result<Html<String>> {
        Ok(render_template(&name, context! { who => "<Ada>" }).await?)
    }
    let app = || {
        App::new("templates")
            .secret_key(KEY)
            .templates(&directory)
            .template("base.html", "[{% block b %}{% endblock %}]")
            .route("page", "/{name}", get(page))
    };
    assert_eq!(visit(app(), "/file.html").await.body, "[&lt;Ada&gt;]");
    let missing = visit(app().debug(true), "/missing.html").await;
    assert!(
        missing.body.contains("missing.html") && missing.body.contains(".templates(..)"),
        "{}",
        missing.body
    );
    let outside = visit(app().debug(true), "/..%2F..%2Fetc%2Fpasswd").await;
    assert_eq!((outside.status, outside.body.contains("root:")), (500, false));
    std::fs::remove_dir_all(&directory).unwrap();
    let broken = App::new("broken").secret_key(KEY).template("x.html", "{% if %}").into_router().unwrap_err();
    assert!(matches!(broken, AppError::Template(_)) && broken.to_string().contains("x.html"), "{broken}");
}

#[tokio::test]
async fn changing_a_value_in_place_gets_advice() {
    async fn page() -> Result<Html<String>> {
        session().await?.set("list", [1])?;
        Ok(render_template_string("{% set _ = session['list'].append(2) %}", context! {}).await?)
    }
    let app = App::new("in place").secret_key(KEY).route("page", "/", get(page)).debug(true);
    let reply = visit(app, "/").await;
    assert!(reply.status == 500 && reply.body.contains("session.edit(..)"), "{}", reply.body);
}

#[tokio::test]
async fn template_differences_match_the_flask_page() {
    let template = "{{ session['get'] }}|{{ session.get is defined }}|{{ 'get' in session }}|{{ '<b>'|safe ~ '<' }}|{{ config }}{{ g }}";
    let page = async move || render_template_string(template, context! {}).await;
    let app = App::new("otherwise").secret_key(KEY).route("page", "/", get(page));
    assert_eq!(visit(app, "/").await.body, "|True|False|&lt;b&gt;&lt;|");
    let form = async || render_template_string("{{ request.form }}", context! {}).await;
    let app = App::new("otherwise").secret_key(KEY).route("page", "/", get(form)).debug(true);
    assert!(visit(app, "/").await.body.contains("give what it has read to render_template"));
}

#[tokio::test]
async fn a_returned_string_is_plain_text() {
    let app = App::new("text").secret_key(KEY).route("text", "/", get(async || "<script>".to_owned()));
    assert_eq!(visit(app, "/").await.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn line_break_in_a_redirect_is_dropped() {
    let reply = redirect("/a\r\nSet-Cookie: x=1");
    assert_eq!(reply.headers()[header::LOCATION], "/aSet-Cookie:%20x=1");
    assert_eq!(reply.headers().get(header::SET_COOKIE), None);
}

#[test]
fn flask_path_syntax_is_an_error_with_ours() {
    let app = App::new("paths").secret_key(KEY).route("files", "/u/<name>/<path:rest>", get(""));
    let error = app.into_router().unwrap_err().to_string();
    assert_eq!(
        error,
        r#"the path "/u/<name>/<path:rest>" of the route "files" is written "/u/{name}/{*rest}" here"#
    );
}

#[test]
fn debug_in_release_needs_explicit_consent() {
    let app = || App::new("debug").secret_key(KEY).debug(true);
    assert_eq!(app().into_router().is_ok(), cfg!(debug_assertions));
    assert!(app().danger_debug_in_release(true).into_router().is_ok());
}

#[test]
fn limit_of_zero_is_an_error() {
    let app = || App::new("limits").secret_key(KEY);
    for (app, limit) in [
        (app().max_connections(0), "max_connections"),
        (app().head_timeout(Duration::ZERO), "head_timeout"),
        (app().idle_timeout(Duration::ZERO), "idle_timeout"),
        (app().body_timeout(Duration::ZERO), "body_timeout"),
    ] {
        let error = app.into_router().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{limit} is 0, ")), "{error}");
    }
    let longest = app().head_timeout(Duration::MAX).idle_timeout(Duration::MAX).body_timeout(Duration::MAX);
    assert!(longest.max_connections(usize::MAX).into_router().is_ok());
}

#[test]
fn a_bad_configuration_is_an_error_at_start() {
    let error = App::new("toml").toml("SESSION_COOKIE_SECURE = 'yes'").into_router().unwrap_err();
    assert!(error.to_string().contains("SESSION_COOKIE_SECURE"), "{error}");
}

#[test]
fn real_flask_redirects_alike() {
    const LOCATIONS: [&str; 15] = [
        "/",
        "/a b?x=é",
        "http://e/ü/%zz",
        "/x\u{a0}y",
        "/a'b\"<>`{}|\\^[]~",
        "/%20é#a b",
        "//other",
        "/a\tb",
        " /x ",
        "?q=1&r=2",
        "",
        "relative/path",
        "https://example.org:8080/a?b#c",
        "http://[::1]:80/[x]",
        "/😀",
    ];
    #[derive(Deserialize)]
    struct Theirs {
        status: u16,
        location: String,
        page: String,
    }
    let question = Map::from_iter([("locations".to_owned(), json!(LOCATIONS))]);
    let expected: Vec<Theirs> = RealFlask::start().unwrap().ask("redirect", question).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (location, theirs) in LOCATIONS.iter().zip(expected) {
        let (head, body) = redirect(location).into_parts();
        let page = runtime.block_on(body.collect()).unwrap().to_bytes();
        assert_eq!(head.status.as_u16(), theirs.status);
        assert_eq!(head.headers[header::LOCATION], theirs.location, "{location:?}");
        assert_eq!(std::str::from_utf8(&page).unwrap(), theirs.page, "{location:?}");
    }
}
