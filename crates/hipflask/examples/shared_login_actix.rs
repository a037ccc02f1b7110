//! `shared_login.rs` in actix-web: half of a site whose other half is a Flask app.

#![expect(clippy::print_stdout, reason = "its user waits for the address")]

use std::env;

use actix_web::http::header::LOCATION;
use actix_web::web::{Form, Html, Json, ServiceConfig, get, post, resource};
use actix_web::{App, HttpResponse, HttpServer};
use hipflask::csrf::Csrf;
use hipflask::login::{FlaskLogin, FreshLogin, Login, LoginError, LoginUser};
use hipflask::{Session, SessionError, Sessions};
use serde::Deserialize;
use serde_json::{Value, json};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::builder().variables("FLASK", variables())?.connect().await?.build()?;
    let login = FlaskLogin::builder(&sessions).load(load_user).build()?;
    let csrf = sessions.csrf()?;
    let server = HttpServer::new(move || {
        let app = App::new().configure(|app| routes(app, csrf.clone()));
        app.wrap(login.middleware()).wrap(sessions.middleware())
    });
    let server = server.workers(2).bind(("127.0.0.1", port()?))?;
    for address in server.addrs() {
        println!("Listening on http://{address}");
    }
    Ok(server.run().await?)
}

fn routes(app: &mut ServiceConfig, csrf: Csrf) {
    let form = resource("/form").wrap(csrf.middleware());
    app.route("/login", get().to(login_form))
        .route("/login", post().to(log_in))
        .route("/logout", get().to(log_out))
        .route("/logout", post().to(log_out))
        .route("/me", get().to(me))
        .route("/fresh", get().to(fresh))
        .route("/confirm", get().to(confirm))
        .route("/confirm", post().to(confirm))
        .service(form.route(get().to(self::form)).route(post().to(async || "ok")));
}

struct User;

/// An app asks its database here.
async fn load_user(id: String) -> Option<User> {
    (!id.is_empty() && !id.starts_with("gone")).then_some(User)
}

async fn login_form() -> Html {
    Html::new(
        "<!doctype html>\n<title>Log in</title>\n<form method=post>\n<input name=user required>\n<label><input type=checkbox \
         name=remember value=yes> Remember me</label>\n<button>Log in</button>\n</form>\n",
    )
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    #[serde(default)]
    remember: String,
}

async fn log_in(session: Session, form: Form<Credentials>) -> Result<HttpResponse, LoginError> {
    // An app checks a password here.
    session.log_in(Login::of(&form.user).remember(!form.remember.is_empty())).await?;
    Ok(to_me())
}

async fn log_out(session: Session) -> Result<HttpResponse, LoginError> {
    session.log_out().await?;
    Ok(to_me())
}

async fn me(user: Option<LoginUser<User>>) -> Json<Value> {
    let fresh = user.as_ref().is_some_and(LoginUser::is_fresh);
    Json(json!({"user": user.map(|user| user.id().to_owned()), "fresh": fresh}))
}

async fn fresh(_: FreshLogin<User>) -> Json<Value> {
    Json(json!({"fresh": true}))
}

async fn confirm(_: LoginUser<User>, session: Session) -> Result<HttpResponse, LoginError> {
    // An app checks the password again here.
    session.confirm().await?;
    Ok(to_me())
}

async fn form(session: Session) -> Result<Html, SessionError> {
    let field = session.csrf_field()?;
    Ok(Html::new(format!(
        "<!doctype html>\n<title>Form</title>\n<form method=post>\n{field}\n<button>Send</button>\n</form>\n"
    )))
}

fn to_me() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/me")).finish()
}

/// The settings in the environment, with the prefix `FLASK_` or without.
fn variables() -> impl Iterator<Item = (String, String)> {
    const PLAIN: [&str; 8] = [
        "SECRET_KEY",
        "SESSION_TYPE",
        "SESSION_REDIS",
        "SESSION_PERMANENT",
        "SESSION_PROTECTION",
        "TRUSTED_PROXIES",
        "REMEMBER_COOKIE_",
        "WTF_CSRF_",
    ];
    env::vars().map(|(name, value)| match PLAIN.iter().any(|plain| name.starts_with(plain)) {
        true => (format!("FLASK_{name}"), value),
        false => (name, value),
    })
}

fn port() -> Result<u16, Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip_while(|argument| argument != "--port").skip(1);
    Ok(arguments.next().map_or(Ok(8000), |port| port.parse())?)
}
