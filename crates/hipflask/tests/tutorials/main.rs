//! The tutorials' programs compared with the same programs on real Flask, request by request.
#![cfg(all(feature = "app", feature = "file"))]
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod client;
mod programs;
mod servers;

use client::{Jar, Reply, Step, get, head, post, send};
use hipflask::Sessions;
use servers::{FlaskServer, OurServer};

/// The steps of a visitor, in order.
const STEPS: [(&str, &str, &[Step]); 5] = [
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
        "3",
        "",
        &[
            get("/get_session"),
            get("/set_session"),
            get("/get_session"),
            post("/set_session", "username=bob"),
            get("/get_session"),
            get("/set_session"),
            head("/get_session"),
            post("/set_session", "user=bob"),
            post("/get_session", "username=bob"),
            get("/get_session"),
            post("/set_session", "username=Zo%C3%AB+%F0%9F%98%80"),
            get("/nowhere"),
            get("/get_session"),
            post("/set_session", "username="),
            get("/get_session"),
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

/// The side whose cookie the next request sends to both.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Giver {
    Ours,
    Flask,
}

#[test]
fn real_flask_tutorials_answer_alike_with_own_jars() {
    for (number, key, steps) in STEPS {
        let directory = tempfile::tempdir().unwrap();
        let (flask, ours) =
            (FlaskServer::start(number, directory.path()), OurServer::start(number, directory.path()));
        let (mut flasks_jar, mut our_jar) = (Jar::default(), Jar::default());
        for (at, step) in steps.iter().enumerate() {
            let expected = send(&flask.address, step, &mut flasks_jar);
            let reply = send(&ours.address, step, &mut our_jar);
            assert_same(number, at, step, key, &reply, &expected);
        }
    }
}

#[test]
fn real_flask_tutorials_share_one_jar() {
    for (number, key, steps) in STEPS {
        let directory = tempfile::tempdir().unwrap();
        let (flask, ours) =
            (FlaskServer::start(number, directory.path()), OurServer::start(number, directory.path()));
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

#[test]
fn real_flask_tutorial_3_shares_one_login() {
    let directory = tempfile::tempdir().unwrap();
    let flask = FlaskServer::start("3", directory.path());
    let ours = OurServer::start("3", directory.path());
    let (flask, ours) = (flask.address.as_str(), ours.address.as_str());
    for (first, second) in [(flask, ours), (ours, flask)] {
        let mut jar = Jar::default();
        for (server, step, expected) in [
            (first, get("/get_session"), "No session data found."),
            (second, post("/set_session", "username=ada"), "Session data set successfully!"),
            (first, get("/get_session"), "Session username: ada"),
            (first, post("/set_session", "username=grace"), "Session data set successfully!"),
            (second, get("/get_session"), "Session username: grace"),
            (second, get("/set_session"), "Session data set successfully!"),
            (first, get("/get_session"), "Session username: grace"),
        ] {
            assert_eq!(send(server, &step, &mut jar).body, expected, "{step:?}");
        }
    }
    // A record for each of the two logins, and the file in which cachelib counts.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
}

/// In tutorial 3: what does not look into the session, where Flask-Session sends the cookie again
/// and we do not.
fn touches_no_session(number: &str, step: &Step, reply: &Reply) -> bool {
    number == "3" && (reply.status >= 400 || *step == get("/set_session"))
}

#[track_caller]
fn assert_same(number: &str, at: usize, step: &Step, key: &str, ours: &Reply, flask: &Reply) {
    let about = format!("tutorial {number}, step {at}: {step:?}");
    assert_eq!(ours.status, flask.status, "{about}\n{}\n{}", ours.body, flask.body);
    assert_eq!(ours.body, flask.body, "{about}");
    assert_eq!(ours.header("Location"), flask.header("Location"), "{about}: Location");
    if touches_no_session(number, step, ours) {
        assert_eq!((ours.header("Vary"), ours.header("Set-Cookie")), (None, None), "{about}");
        return;
    }
    assert_eq!(ours.header("Vary"), flask.header("Vary"), "{about}: Vary");
    let opened = |reply: &Reply| {
        let cookie = reply.header("Set-Cookie")?;
        Some(if number == "3" { without_id(cookie) } else { opened(cookie, key) })
    };
    assert_eq!(opened(ours), opened(flask), "{about}: Set-Cookie");
}

/// A `Set-Cookie` without what is another in each: the id, and the second at which it ends.
fn without_id(cookie: &str) -> String {
    let (id, attributes) = cookie.strip_prefix("session=").unwrap().split_once("; Expires=").unwrap();
    assert!(id.len() == 43 && !id.contains('.'), "an id: {cookie}");
    let (ends, attributes) = attributes.split_once(" GMT").unwrap();
    format!("{}; {attributes}", ends.len())
}

/// A `Set-Cookie` with what is in the session in place of its signed value, which has the time in it.
fn opened(cookie: &str, key: &str) -> String {
    let (value, attributes) = cookie.strip_prefix("session=").unwrap().split_once(';').unwrap();
    if value.is_empty() {
        return cookie.to_owned();
    }
    let sessions = Sessions::builder().secret_key(key).build().unwrap();
    let session = sessions.verify(value).unwrap();
    format!("session={:?};{attributes}", session.to_dict())
}
