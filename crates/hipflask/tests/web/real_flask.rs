//! The same requests to real Flask and to ours, on both frameworks.

use hipflask::{SameSite, Sessions, SessionsBuilder};
use hipflask_testkit::oracle::serde_json::{Map, Value as Json, json};
use hipflask_testkit::oracle::{RealFlask, Settings};
use serde::Deserialize;

use crate::front::{Answer, Ask, FRONTS, NOW, Reply, View, builder, view};
use crate::matrix::CALLS;

/// Real Flask's answer.
#[derive(Debug, Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Answered {
    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str()).collect()
    }
}

fn ask_flask(flask: &mut RealFlask, cases: Vec<Json>) -> Vec<Answered> {
    flask.ask("answer", Map::from_iter([("cases".to_owned(), Json::Array(cases))])).unwrap()
}

/// A configuration, in Flask's names and as ours.
struct Config {
    flask: fn() -> Json,
    ours: fn(SessionsBuilder) -> SessionsBuilder,
}

const CONFIGS: [Config; 3] = [
    Config { flask: || json!({}), ours: |builder| builder },
    Config {
        flask: || json!({"SESSION_REFRESH_EACH_REQUEST": false}),
        ours: |builder| builder.refresh_each_request(false),
    },
    Config {
        flask: || {
            json!({
                "SESSION_COOKIE_NAME": "login", "SESSION_COOKIE_DOMAIN": "example.org", "SESSION_COOKIE_PATH": "/",
                "SESSION_COOKIE_SECURE": true, "SESSION_COOKIE_HTTPONLY": false, "SESSION_COOKIE_SAMESITE": "Lax",
                "SESSION_COOKIE_PARTITIONED": true, "PERMANENT_SESSION_LIFETIME": 3600,
            })
        },
        ours: |builder| {
            builder
                .cookie_name("login")
                .cookie_domain("example.org")
                .cookie_secure(true)
                .cookie_http_only(false)
                .cookie_same_site(SameSite::Lax)
                .cookie_partitioned(true)
                .permanent_lifetime(std::time::Duration::from_secs(3600))
        },
    },
];

impl Config {
    fn sessions(&self) -> Sessions {
        (self.ours)(builder()).build().unwrap()
    }
}

/// `Cookie` headers, as signed by Flask a while ago: none, two sessions, an empty one, and a forged one.
fn cookies(flask: &mut RealFlask, name: &str) -> Vec<Option<String>> {
    let sessions = [
        "{s61:i1,s6c:[i1],s5f666c6173686573:[(s6d657373616765,s6f6e65)]}",
        "{s5f7065726d616e656e74:T,s61:i1,s6c:[i1]}",
        "{s5f7065726d616e656e74:F}",
        "{}",
    ];
    let earlier = Settings { at: NOW - 1000, ..Settings::default() };
    let signed = flask.sign(&earlier, &sessions).unwrap().into_iter().map(Result::unwrap);
    let mut cookies: Vec<_> = signed.map(|value| Some(format!("theme=dark; {name}={value}"))).collect();
    cookies.extend([None, Some(format!("{name}=forged"))]);
    cookies
}

/// The steps in a view before the tested call.
const BEFORE: [(&str, &[&str]); 4] = [
    ("nothing", &[]),
    ("permanent", &["permanent"]),
    ("modified", &["modified"]),
    ("both", &["permanent", "modified"]),
];

fn flask_steps(before: &[&str], call: Vec<Json>) -> Vec<Json> {
    let step = |what: &&str| match *what {
        "permanent" => json!(["flag", "permanent", true]),
        _ => json!(["set", "m", "i1"]),
    };
    // `hipflask::session()` is `_get_current_object()`.
    std::iter::once(json!(["touch"])).chain(before.iter().map(step)).chain(call).collect()
}

#[test]
fn real_flask_header_matrix() {
    let mut flask = RealFlask::start().unwrap();
    let (mut cases, mut set, mut removed, mut deflated) = (0, 0, 0, 0);
    for config in &CONFIGS {
        let sessions = config.sessions();
        let name = sessions.cookie().name().to_owned();
        let mut theirs = Vec::new();
        let mut asks = Vec::new();
        let mut what = Vec::new();
        for cookie in cookies(&mut flask, &name) {
            for (number, call) in CALLS.iter().enumerate() {
                for (said, before) in BEFORE {
                    let steps = flask_steps(before, (call.flask)());
                    let config = (config.flask)();
                    theirs.push(json!({"config": config, "at": NOW, "cookie": cookie, "steps": steps}));
                    let ask = Ask::get("/");
                    asks.push(cookie.iter().fold(ask, |ask, cookie| ask.cookie(cookie)));
                    what.push((number, before, format!("{} after {said}, sent {cookie:?}", call.method)));
                }
            }
        }
        let theirs = ask_flask(&mut flask, theirs);
        let plan: Vec<_> = what.iter().map(|(call, before, _)| (*call, *before)).collect();
        for front in FRONTS {
            let ours = front.answer_all(&sessions, run(plan.clone()), asks.clone());
            for ((theirs, ours), (_, _, what)) in theirs.iter().zip(&ours).zip(&what) {
                deflated +=
                    usize::from(agree(&sessions, ours, theirs, &format!("{what} on {}", front.name())));
                cases += 1;
                set += usize::from(
                    theirs.headers.iter().any(|(_, value)| value.starts_with(&format!("{name}=ey"))),
                );
                removed += usize::from(
                    theirs.headers.iter().any(|(_, value)| value.starts_with(&format!("{name}=;"))),
                );
            }
        }
    }
    println!(
        "{cases} responses compared with real Flask's: {set} set the cookie, {removed} removed it, {deflated} deflated"
    );
    assert!(
        cases > 6000 && set > 1000 && removed > 100 && deflated < set / 4,
        "too few, or too many deflated"
    );
}

/// Compares status, `Set-Cookie` and `Vary` to the byte, but for a payload that Flask has deflated:
/// there, what is in it.
fn agree(sessions: &Sessions, ours: &Answer, theirs: &Answered, what: &str) -> bool {
    let deflated = |line: &&str| line.starts_with(&format!("{}=.", sessions.cookie().name()));
    let Some(line) = theirs.all("set-cookie").into_iter().find(deflated) else {
        assert_eq!(heads(ours), (theirs.status, theirs.all("set-cookie"), theirs.all("vary")), "{what}");
        return false;
    };
    assert_eq!(
        (ours.status, ours.vary(), ours.set_cookies().len()),
        (theirs.status, theirs.all("vary"), 1),
        "{what}"
    );
    let parts = |line: &str| {
        let (pair, attributes) = line.split_once(';').unwrap();
        let session = sessions.verify(pair.split_once('=').unwrap().1).unwrap();
        (session.to_json(Default::default()).unwrap(), attributes.to_owned())
    };
    assert_eq!(parts(ours.set_cookies()[0]), parts(line), "{what}");
    true
}

/// A view that does for each request what the matrix says.
fn run(plan: Vec<(usize, &'static [&'static str])>) -> View {
    view(move |number| {
        let (call, before) = plan[number];
        async move {
            let session = hipflask::session().await?;
            for what in before {
                match *what {
                    "permanent" => session.set_permanent(true)?,
                    _ => session.set("m", 1)?,
                }
            }
            (CALLS[call].ours)(&session);
            Ok("done")
        }
    })
}

fn heads(answer: &Answer) -> (u16, Vec<&str>, Vec<&str>) {
    (answer.status, answer.set_cookies(), answer.vary())
}

/// Requests that are not a plain GET of a view that returns 200.
#[test]
fn real_flask_agrees_on_methods_paths_and_statuses() {
    let mut flask = RealFlask::start().unwrap();
    let sessions = builder().build().unwrap();
    let steps: [&[Json]; 3] = [&[], &[json!(["get", "a"])], &[json!(["set", "b", "i1"])]];
    let mut requests = Vec::new();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
        for path in ["/", "/missing"] {
            requests.push((method, path, Reply::from("done")));
        }
    }
    for status in [201, 302, 303, 304, 403, 404, 500, 503] {
        requests.push(("GET", "/", Reply { status, ..Reply::from("done") }));
    }
    let varies: [&[&str]; 9] = [
        &["Accept"],
        &["accept, Cookie"],
        &["cookie"],
        &["*"],
        &["Accept, Accept"],
        &["Accept,Origin"],
        &[" Accept ,, Origin "],
        &["Cookie, Cookie"],
        &["X-Cookie"],
    ];
    for lines in varies {
        let reply = lines.iter().fold(Reply::from("done"), |reply, line| reply.header("vary", *line));
        requests.push(("GET", "/", reply));
    }
    requests.push(("GET", "/", Reply::from("done").header("set-cookie", "theme=dark")));
    requests.push(("GET", "/", Reply::from("done").header("set-cookie", "session=theirs")));

    let (mut cases, mut asks, mut replies, mut what) = (vec![], vec![], vec![], vec![]);
    for cookie in cookies(&mut flask, "session") {
        for (number, steps) in steps.iter().enumerate() {
            for (method, path, reply) in &requests {
                cases.push(json!({
                    "at": NOW, "cookie": cookie, "steps": steps, "method": method, "path": path,
                    "status": reply.status, "headers": reply.headers,
                }));
                asks.push(cookie.iter().fold(Ask::new(method, path), |ask, cookie| ask.cookie(cookie)));
                replies.push((number, reply.clone()));
                what.push(format!(
                    "{method} {path} {} {:?} {steps:?} {cookie:?}",
                    reply.status, reply.headers
                ));
            }
        }
    }
    let theirs = ask_flask(&mut flask, cases);
    for front in FRONTS {
        let replies = replies.clone();
        let doing = view(move |number| {
            let (steps, reply) = replies[number].clone();
            async move {
                match steps {
                    0 => {}
                    1 => drop(hipflask::session().await?.get::<u8>("a")?),
                    _ => hipflask::session().await?.set("b", 1)?,
                }
                Ok(reply)
            }
        });
        for ((theirs, ours), what) in
            theirs.iter().zip(front.answer_all(&sessions, doing, asks.clone())).zip(&what)
        {
            let flask = (theirs.status, theirs.all("set-cookie"), theirs.all("vary"));
            assert_eq!(heads(&ours), flask, "{what} on {}", front.name());
        }
    }
}

#[test]
fn real_flask_saves_alike_on_redirects_and_errors() {
    let mut flask = RealFlask::start().unwrap();
    let sessions = builder().build().unwrap();
    let setting = json!([["set", "b", "i1"]]);
    let endings = ["redirect", "abort", "raise"];
    let cases = endings.map(|ending| json!({"at": NOW, "steps": setting, "ending": ending}));
    let theirs = ask_flask(&mut flask, cases.to_vec());
    for front in FRONTS {
        let ending = view(async |number| {
            hipflask::session().await?.set("b", 1)?;
            match number {
                0 => Ok(Reply::from(302).header("location", "/")),
                1 => Ok(Reply::from(403)),
                _ => Err(hipflask::SessionError::SavedWithResponse),
            }
        });
        let ours = front.answer_all(&sessions, ending, vec![Ask::get("/"); 3]);
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!(
                heads(ours),
                (theirs.status, theirs.all("set-cookie"), theirs.all("vary")),
                "{}",
                front.name()
            );
            assert_eq!(ours.all("location"), theirs.all("location"));
        }
    }
}
