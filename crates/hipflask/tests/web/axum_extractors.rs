//! The typed extractors, on axum and on actix-web.

use axum::Router;
use axum::routing::get;
use hipflask::{Session, SessionData, SessionError, SessionKey, SessionRejection};
use serde::{Deserialize, Serialize};

use crate::front::{Answer, Ask, block_on, cookie, on_actix, on_axum, sessions};

#[derive(Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

impl SessionKey for Cart {
    const KEY: &'static str = "cart";
}

async fn add(mut cart: SessionData<Cart>) -> Result<String, SessionError> {
    cart.update(|cart| cart.items.push("pear".into()))?;
    Ok(cart.items.join(","))
}

async fn look(cart: SessionData<Cart>) -> String {
    assert_eq!(format!("{cart:?}"), "SessionData { .. }");
    cart.items.len().to_string()
}

async fn take(cart: SessionData<Cart>) -> String {
    assert!(cart.session().contains("cart").unwrap());
    cart.remove().unwrap().items.join(",")
}

async fn optional(session: Option<Session>) -> String {
    session.map_or("nobody".into(), |session| session.len().unwrap().to_string())
}

async fn whatever(session: Result<Session, SessionRejection>) -> String {
    session.map_or_else(|error| error.to_string(), |_| "a session".into())
}

fn router() -> Router {
    Router::new()
        .route("/add", get(add))
        .route("/look", get(look))
        .route("/take", get(take))
        .route("/optional", get(optional))
        .route("/whatever", get(whatever))
}

fn both(ask: &Ask) -> [Answer; 2] {
    use actix_web::dev::Service as _;
    use actix_web::web;
    let sessions = sessions();
    let tower = block_on(on_axum::send(router().layer(sessions.layer()), ask.clone(), 0));
    let actix = actix_web::rt::System::new().block_on(async {
        let app = actix_web::App::new()
            .route("/add", web::get().to(add))
            .route("/look", web::get().to(look))
            .route("/take", web::get().to(take))
            .wrap(sessions.middleware());
        let app = actix_web::test::init_service(app).await;
        on_actix::answer(app.call(on_actix::request(ask.clone(), 0).to_request()).await).await
    });
    [tower, actix]
}

#[test]
fn a_typed_bucket_is_kept_under_its_key() {
    let sessions = sessions();
    let full = cookie(&sessions, |session| session.set("cart", Cart { items: vec!["fig".into()] }).unwrap());
    for answer in both(&Ask::get("/add").cookie(&full)) {
        assert_eq!(answer.body, "fig,pear");
        let saved = answer.session(&sessions).unwrap().get::<Cart>("cart").unwrap().unwrap();
        assert_eq!(saved.items, ["fig", "pear"]);
    }
    for answer in both(&Ask::get("/take").cookie(&full)) {
        assert_eq!(answer.body, "fig");
        assert!(answer.set_cookies()[0].starts_with("session=; "), "nothing is left in it");
    }
}

#[test]
fn missing_session_data_is_default_and_unsaved() {
    for answer in both(&Ask::get("/look")) {
        assert_eq!(
            (answer.body.as_str(), answer.set_cookies(), answer.vary()),
            ("0", vec![], vec!["Cookie"])
        );
    }
}

#[test]
fn session_data_of_another_type_is_a_500() {
    let wrong = cookie(&sessions(), |session| session.set("cart", "hunter2").unwrap());
    let (answers, log) = crate::log::logged(|| both(&Ask::get("/look").cookie(&wrong)));
    for answer in answers {
        assert_eq!((answer.status, answer.body.as_str()), (500, ""));
    }
    assert_eq!(
        log.iter().filter(|line| line.contains("session key \"cart\": found str")).count(),
        2,
        "{log:?}"
    );
    assert!(!log.join("").contains("hunter2"));
}

#[test]
fn optional_session_is_none_if_empty() {
    let sessions = sessions();
    let app = || router().layer(sessions.layer());
    let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
    let ask = |app: Router, ask: Ask| block_on(on_axum::send(app, ask, 0));
    assert_eq!(ask(app(), Ask::get("/optional")).body, "nobody");
    assert_eq!(ask(app(), Ask::get("/optional").cookie("session=forged")).body, "nobody");
    let nobody_for_long = cookie(&sessions, |session| session.set_permanent(true));
    assert_eq!(ask(app(), Ask::get("/optional").cookie(nobody_for_long)).body, "nobody");
    let somebody = ask(app(), Ask::get("/optional").cookie(ada));
    assert_eq!((somebody.body.as_str(), somebody.vary()), ("1", vec!["Cookie"]));
    let without = ask(router(), Ask::get("/optional"));
    assert_eq!((without.status, without.body.as_str()), (500, ""));
    let said = ask(router(), Ask::get("/whatever")).body;
    assert!(said.starts_with("no session on this request: add `.layer(sessions.layer())`"), "{said}");
    assert_eq!(ask(app(), Ask::get("/whatever")).body, "a session");
}
