//! The layer among other layers.

use axum::Router;
use axum::routing::get;
use hipflask::{SessionError, Sessions};
use tower_http::catch_panic::CatchPanicLayer;

use crate::front::{
    Ask, FRONTS, View, block_on, builder, cookie, on_actix, on_axum, sessions, untouched, view, with_session,
};
use crate::log::logged;

fn writing() -> View {
    with_session(|session| session.set("a", 1))
}

fn ask(app: Router, ask: Ask) -> crate::front::Answer {
    block_on(on_axum::send(app, ask, 0))
}

fn panicking() -> Router {
    async fn panics() -> Result<(), SessionError> {
        hipflask::session().await?.set("before", "the panic")?;
        panic!("on purpose")
    }
    Router::new().route("/", get(panics))
}

#[test]
fn panic_caught_inside_the_layer_saves() {
    let sessions = sessions();
    let app = panicking().layer(CatchPanicLayer::new()).layer(sessions.layer());
    let answer = ask(app, Ask::get("/"));
    assert_eq!(answer.status, 500);
    assert!(answer.session(&sessions).unwrap().contains("before"));
    assert!(hipflask::current().is_none());
}

#[test]
fn panic_caught_outside_the_layer_saves_nothing() {
    let sessions = sessions();
    let answer = ask(panicking().layer(sessions.layer()).layer(CatchPanicLayer::new()), Ask::get("/"));
    assert_eq!(answer.status, 500);
    answer.is_untouched();
    assert!(hipflask::current().is_none(), "the panic leaves no session on the thread");
}

fn on_both(outer: &Sessions, inner: &Sessions, view: View, request: Ask) -> [crate::front::Answer; 2] {
    use actix_web::dev::Service as _;
    let tower = ask(on_axum::app(view.clone()).layer(inner.layer()).layer(outer.layer()), request.clone());
    let actix = actix_web::rt::System::new().block_on(async {
        let app = on_actix::app(view).wrap(inner.middleware()).wrap(outer.middleware());
        let app = actix_web::test::init_service(app).await;
        on_actix::answer(app.call(on_actix::request(request, 0).to_request()).await).await
    });
    [tower, actix]
}

#[test]
fn second_layer_of_one_cookie_does_nothing() {
    let (one, other) = (sessions(), builder().secret_key("another").build().unwrap());
    // Permanent, so that the outer layer has a cookie to send on its own account.
    let ada = cookie(&one, |session| session.set_permanent(true));
    for inner in [&one, &other] {
        for view in [
            writing(),
            with_session(|session| {
                session.clear().unwrap();
                Ok(())
            }),
        ] {
            let (answers, log) = logged(|| on_both(&one, inner, view, Ask::get("/").cookie(&ada)));
            for answer in answers {
                assert_eq!((answer.set_cookies().len(), answer.vary()), (1, vec!["Cookie"]));
            }
            let warned =
                log.iter().filter(|line| line.contains("Give one of them another cookie name")).count();
            assert_eq!(warned, if std::ptr::eq(inner, &one) { 0 } else { 2 });
        }
    }
}

#[test]
fn two_layers_of_different_cookies_keep_two_sessions() {
    let admin = builder().cookie_name("admin").build().unwrap();
    for answer in on_both(&sessions(), &admin, writing(), Ask::get("/")) {
        assert_eq!(answer.set_cookies().len(), 1, "the handler has the inner one");
        assert!(answer.set_cookies()[0].starts_with("admin="));
    }
    let elsewhere = builder().cookie_path("/admin").build().unwrap();
    let touching_both = {
        let outer = sessions();
        let stamp = axum::middleware::from_fn(async |request, next: axum::middleware::Next| {
            hipflask::session().await.unwrap().set("outer", 1).unwrap();
            next.run(request).await
        });
        let app = on_axum::app(writing()).layer(elsewhere.layer()).layer(stamp).layer(outer.layer());
        ask(app, Ask::get("/"))
    };
    assert_eq!(touching_both.set_cookies().len(), 2);
}

#[test]
fn inner_layer_finds_its_cookies_outermost_session() {
    let (sessions, admin) = (sessions(), builder().cookie_name("admin").build().unwrap());
    let app = on_axum::app(writing()).layer(sessions.layer()).layer(admin.layer()).layer(sessions.layer());
    let answer = ask(app, Ask::get("/"));
    assert_eq!(answer.set_cookies().len(), 1);
    assert!(answer.session(&sessions).unwrap().contains("a"));
}

#[test]
fn actix_middleware_error_response_carries_the_session() {
    use actix_web::body::MessageBody;
    use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
    use actix_web::middleware::{Next, from_fn};

    async fn fails(
        _: ServiceRequest,
        _: Next<impl MessageBody>,
    ) -> Result<ServiceResponse, actix_web::Error> {
        hipflask::session().await?.set("a", 1)?;
        Err(actix_web::error::ErrorImATeapot("no coffee"))
    }
    let sessions = sessions();
    let answer = actix_web::rt::System::new().block_on(async {
        let app = on_actix::app(untouched()).wrap(from_fn(fails)).wrap(sessions.middleware());
        let app = actix_web::test::init_service(app).await;
        on_actix::answer(app.call(on_actix::request(Ask::get("/"), 0).to_request()).await).await
    });
    assert_eq!((answer.status, answer.body.as_str()), (418, "no coffee"));
    assert_eq!(answer.session(&sessions).unwrap().len(), 1);
    assert_eq!(answer.vary(), ["Cookie"]);
}

#[test]
fn missing_layer_is_a_logged_bare_500() {
    use actix_web::dev::Service as _;
    let proxy = view(async |_| hipflask::session().await.map(|_| "never"));
    for path in ["/", "/extracted"] {
        let (tower, log) = logged(|| ask(on_axum::app(proxy.clone()), Ask::get(path)));
        let (actix, more) = logged(|| {
            actix_web::rt::System::new().block_on(async {
                let app = actix_web::test::init_service(on_actix::app(proxy.clone())).await;
                on_actix::answer(app.call(on_actix::request(Ask::get(path), 0).to_request()).await).await
            })
        });
        for (answer, log) in [(tower, log), (actix, more)] {
            assert_eq!((answer.status, answer.body.as_str()), (500, ""), "{path}");
            let advice = log.iter().find(|line| line.starts_with("ERROR")).expect("an error is logged");
            assert!(advice.contains("layer("), "{advice}");
        }
    }
}

#[test]
fn each_request_has_a_session_of_its_own() {
    let counting = view(async |_| Ok(hipflask::session().await?.increment("n", 1)?.to_string()));
    for front in FRONTS {
        let bodies: Vec<_> = front
            .answer_all(&sessions(), counting.clone(), vec![Ask::get("/"); 3])
            .into_iter()
            .map(|a| a.body)
            .collect();
        assert_eq!(bodies, ["1", "1", "1"], "{}", front.name());
    }
}
