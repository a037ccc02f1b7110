//! The tutorials' programs beside the same programs on real Flask, request by request over real connections.
#![cfg(feature = "app")]
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod client;
mod programs;
mod servers;

use client::{Jar, Reply, Step, get, head, post, send};
use hipflask::Sessions;
use servers::{FlaskServer, OurServer};

/// What a visitor does, in order.
const STEPS: [(&str, &str, &[Step]); 4] = [
    (
        "1",
        "secret_key",
        &[
            get("/get_session"),
            get("/set_session"),
            get("/get_session"),
            head("/get_session"),
            get("/set_session"),
            get("/nowhere"),
            get("/get_session"),
        ],
    ),
    (
        "2",
        "supersecretkey",
        &[
            get("/"),
            get("/logout"),
            post("/login", "username=alice"),
            get("/"),
            post("/login", "username=%3Cb%3E%C3%A9%20%26"),
            get("/"),
            get("/login"),
            post("/", "username=alice"),
            post("/login", "user=alice"),
            post("/login", ""),
            get("/"),
            post("/login", "username="),
            get("/"),
            get("/logout"),
            get("/logout"),
            get("/"),
        ],
    ),
    (
        "4",
        "this-is-a-very-secret-key",
        &[
            get("/session-data"),
            post("/greeting", "name=Ada&lastname=L"),
            get("/session-data"),
            post("/greeting", "name=Ada"),
            post("/greeting", "lastname=L"),
            get("/greeting"),
            post("/greeting", "name=Zo%C3%AB+%F0%9F%98%80&lastname=%22O%27Neill%22&more=1"),
            get("/session-data"),
            post("/greeting", "name=&lastname="),
            get("/session-data"),
        ],
    ),
    (
        "5",
        "secret key",
        &[
            get("/get"),
            get("/"),
            get("/get"),
            get("/update"),
            get("/get"),
            get("/pop"),
            get("/get"),
            get("/items"),
            get("/several"),
            get("/items"),
            get("/"),
            get("/items"),
            get("/clear"),
            get("/clear"),
            get("/items"),
            get("/item"),
            get("/item/keys"),
            get("/item/tuples"),
            get("/item/pop-name"),
            get("/item/keys"),
            get("/item/pop"),
            get("/items"),
            get("/nested"),
            get("/item/tuples"),
            get("/nested/pop"),
            get("/item/tuples"),
            get("/nested/"),
        ],
    ),
];

/// Who gives the cookie that the next request sends to both.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Giver {
    Ours,
    Flask,
}

#[test]
fn real_flask_tutorials_answer_the_same_with_a_jar_of_their_own() {
    for (number, key, steps) in STEPS {
        let (flask, ours) = (FlaskServer::start(number), OurServer::start(number));
        let (mut flasks_jar, mut our_jar) = (Jar::default(), Jar::default());
        for (at, step) in steps.iter().enumerate() {
            let expected = send(&flask.address, step, &mut flasks_jar);
            let reply = send(&ours.address, step, &mut our_jar);
            assert_same(number, at, step, key, &reply, &expected);
        }
    }
}

#[test]
fn real_flask_tutorials_share_one_jar_that_goes_back_and_forth_at_every_step() {
    for (number, key, steps) in STEPS {
        let (flask, ours) = (FlaskServer::start(number), OurServer::start(number));
        for first in [Giver::Flask, Giver::Ours] {
            let (mut jar, mut giver) = (Jar::default(), first);
            for (at, step) in steps.iter().enumerate() {
                let (mut flasks_jar, mut our_jar) = (jar.clone(), jar);
                let expected = send(&flask.address, step, &mut flasks_jar);
                let reply = send(&ours.address, step, &mut our_jar);
                assert_same(number, at, step, key, &reply, &expected);
                (jar, giver) = match giver {
                    Giver::Flask => (flasks_jar, Giver::Ours),
                    Giver::Ours => (our_jar, Giver::Flask),
                };
            }
        }
    }
}

#[track_caller]
fn assert_same(number: &str, at: usize, step: &Step, key: &str, ours: &Reply, flask: &Reply) {
    let about = format!("tutorial {number}, step {at}: {step:?}");
    assert_eq!(ours.status, flask.status, "{about}\n{}\n{}", ours.body, flask.body);
    assert_eq!(ours.body, flask.body, "{about}");
    for name in ["Location", "Vary"] {
        assert_eq!(ours.header(name), flask.header(name), "{about}: {name}");
    }
    let opened = |reply: &Reply| reply.header("Set-Cookie").map(|cookie| opened(cookie, key));
    assert_eq!(opened(ours), opened(flask), "{about}: Set-Cookie");
}

/// A `Set-Cookie` with what is in the session in place of its signed value, which has the time in it.
fn opened(cookie: &str, key: &str) -> String {
    let (value, attributes) = cookie.strip_prefix("session=").unwrap().split_once(';').unwrap();
    if value.is_empty() {
        return cookie.to_owned();
    }
    let sessions = Sessions::builder().secret_key(key).build().unwrap();
    let session = sessions.unseal(value).unwrap();
    format!("session={:?};{attributes}", session.to_dict())
}
