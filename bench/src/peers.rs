//! The operations of other libraries on the same sessions, each in its own format. Each asserts its
//! answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_session::storage::{CookieSessionStore, SessionKey, SessionStore};
use hipflask_core::signing::Compression;
use itsdangerous::{IntoTimestampSigner, SignerBuilder, TimedSerializer};
use serde::Deserialize;
use serde_json::Value;

use crate::measure::Row;
use crate::ours;
use crate::payload::{CHANGED, KEY, NOW, Payload};
use crate::typed::Theirs;

/// A peer that keeps its session in a signed cookie, with its four operations.
trait Peer: Clone + 'static {
    const NAME: &'static str;
    /// The session that a handler gets.
    type Session: Clone;

    fn of(json: &Value) -> Self::Session;
    fn open(&self, cookie: &str) -> Self::Session;
    fn save(&self, session: &Self::Session) -> String;
    fn get<'s>(session: &'s Self::Session, key: &str) -> Cow<'s, Value>;
    fn set(session: &mut Self::Session, key: &str, text: &str);
    /// Decodes the values that opening has not decoded.
    fn decode_rest(session: &Self::Session) -> usize;
    /// Returns `true` if the peer reads Flask's cookie that is not deflated. It then gets that
    /// cookie, which it may write in another form.
    fn reads_ours(&self) -> bool {
        false
    }
    /// Private cookies differ each time.
    fn is_deterministic(&self) -> bool {
        true
    }
}

pub fn rows(payload: Payload) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(rows_of(&Itsdangerous::new(), payload));
    rows.extend(rows_of(&CookieRs::new(), payload));
    rows.extend(rows_of(&CookieRsPrivate(CookieRs { private: true, ..CookieRs::new() }), payload));
    rows.extend(rows_of(&ActixSigned(Actix::new(false)), payload));
    rows.extend(rows_of(&ActixPrivate(Actix::new(true)), payload));
    rows.push(one_field(payload));
    rows.extend(typed(payload));
    rows
}

fn rows_of<P: Peer>(peer: &P, payload: Payload) -> Vec<Row> {
    let json: Value = serde_json::from_str(payload.json).expect("the payload is JSON");
    let session = P::of(&json);
    let written = peer.save(&session);
    let cookie = if peer.reads_ours() { ours::cookie(payload, Compression::Never) } else { written.clone() };
    let name = |operation: &str| format!("{operation}/{}/{}", payload.name, P::NAME);
    let opened = peer.open(&cookie);
    assert_eq!(P::decode_rest(&opened), payload.keys);
    for (key, value) in json.as_object().expect("an object") {
        assert_eq!(*P::get(&opened, key), *value, "{}: {key}", P::NAME);
    }

    let read_first = {
        let (peer, cookie) = (peer.clone(), cookie.clone());
        move || {
            let session = peer.open(black_box(&cookie));
            assert_eq!(first_text(&P::get(&session, payload.first), payload), Some(payload.first_text()));
        }
    };
    let read_last = {
        let (peer, cookie) = (peer.clone(), cookie.clone());
        move || {
            let session = peer.open(black_box(&cookie));
            assert_eq!(P::get(&session, payload.last.0).as_str(), Some(payload.last.1));
        }
    };
    let decode = {
        let (peer, cookie) = (peer.clone(), cookie.clone());
        move || assert_eq!(P::decode_rest(&peer.open(black_box(&cookie))), payload.keys)
    };
    let encode = {
        let (peer, session, expected) = (peer.clone(), session.clone(), written);
        move || {
            let cookie = peer.save(black_box(&session));
            assert!(if peer.is_deterministic() {
                cookie == expected
            } else {
                same_length(&cookie, &expected)
            });
        }
    };
    let change = {
        let (peer, mut session) = (peer.clone(), session.clone());
        P::set(&mut session, payload.last.0, CHANGED);
        let expected = peer.save(&session);
        move || {
            let mut session = peer.open(black_box(&cookie));
            P::set(&mut session, payload.last.0, CHANGED);
            let cookie = peer.save(&session);
            assert!(if peer.is_deterministic() {
                cookie == expected
            } else {
                same_length(&cookie, &expected)
            });
        }
    };
    vec![
        Row::new(name("open-first-key"), read_first),
        Row::new(name("open-last-key"), read_last),
        Row::new(name("decode-all"), decode),
        Row::new(name("encode-sign"), encode),
        Row::new(name("open-change-save"), change),
    ]
}

/// The name in S, otherwise the text of the second flash.
fn first_text(value: &Value, payload: Payload) -> Option<&str> {
    if payload.has_flashes() { value.get(1)?.get(" t")?.get(1)?.as_str() } else { value.as_str() }
}

/// Percent-encoding changes the length of a randomly encrypted value.
fn same_length(cookie: &str, expected: &str) -> bool {
    cookie.len().abs_diff(expected.len()) < expected.len() / 8 + 40
}

/// The crate `itsdangerous`: the same cookie as ours, not deflated.
#[derive(Clone)]
struct Itsdangerous(std::rc::Rc<dyn Timed>);

/// Hides the serializer's type, which has no name.
trait Timed {
    fn sign(&self, value: &Value) -> String;
    fn unsign(&self, text: &str) -> Value;
    fn unsign_last(&self, text: &str) -> Last;
    fn unsign_typed(&self, text: &str) -> Theirs;
}

impl<T: TimedSerializer> Timed for T {
    fn sign(&self, value: &Value) -> String {
        self.sign_with_timestamp(value, time()).expect("JSON can be written")
    }

    fn unsign(&self, text: &str) -> Value {
        let Ok(value) = TimedSerializer::unsign::<Value>(self, text) else { panic!("a good cookie") };
        assert!(time().duration_since(value.timestamp()).is_ok_and(|age| age < Duration::from_secs(60)));
        value.value()
    }

    fn unsign_last(&self, text: &str) -> Last {
        let Ok(value) = TimedSerializer::unsign::<Last>(self, text) else { panic!("a good cookie") };
        assert!(time().duration_since(value.timestamp()).is_ok_and(|age| age < Duration::from_secs(60)));
        value.value()
    }

    fn unsign_typed(&self, text: &str) -> Theirs {
        let Ok(value) = TimedSerializer::unsign::<Theirs>(self, text) else { panic!("a good cookie") };
        assert!(time().duration_since(value.timestamp()).is_ok_and(|age| age < Duration::from_secs(60)));
        value.value()
    }
}

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

impl Itsdangerous {
    fn new() -> Self {
        type Sha1 = sha_1_for_itsdangerous::Sha1;
        type Builder = SignerBuilder<
            Sha1,
            itsdangerous::algorithm::HMACAlgorithm<Sha1>,
            itsdangerous::key_derivation::Hmac,
        >;
        let signer = Builder::new(KEY).with_salt("cookie-session").build().into_timestamp_signer();
        Self(std::rc::Rc::new(itsdangerous::timed_serializer_with_signer(
            signer,
            itsdangerous::URLSafeEncoding,
        )))
    }
}

impl Peer for Itsdangerous {
    const NAME: &'static str = "itsdangerous";
    type Session = Value;

    fn of(json: &Value) -> Value {
        json.clone()
    }

    fn open(&self, cookie: &str) -> Value {
        self.0.unsign(cookie)
    }

    fn reads_ours(&self) -> bool {
        true
    }

    fn save(&self, session: &Value) -> String {
        self.0.sign(session)
    }

    fn get<'s>(session: &'s Value, key: &str) -> Cow<'s, Value> {
        Cow::Borrowed(&session[key])
    }

    fn set(session: &mut Value, key: &str, text: &str) {
        session[key] = text.into();
    }

    fn decode_rest(session: &Value) -> usize {
        session.as_object().map_or(0, serde_json::Map::len)
    }
}

/// Only the last key, read without a tree: the crate's fastest way, if all sessions are known in
/// advance.
#[derive(Deserialize)]
struct Last {
    #[serde(alias = "username")]
    user_id: String,
}

fn one_field(payload: Payload) -> Row {
    let peer = Itsdangerous::new();
    let cookie = ours::cookie(payload, Compression::Never);
    Row::new(format!("open-last-key/{}/itsdangerous-struct-of-one-field", payload.name), move || {
        assert_eq!(peer.0.unsign_last(black_box(&cookie)).user_id, payload.last.1);
    })
}

/// Every key as its own type, including the tags.
fn typed(payload: Payload) -> [Row; 2] {
    let crate_itsdangerous = {
        let (peer, cookie) = (Itsdangerous::new(), ours::cookie(payload, Compression::Never));
        move || black_box(peer.0.unsign_typed(black_box(&cookie))).check(payload)
    };
    let cookie_rs = {
        let peer = CookieRs::new();
        let cookie = peer.write(payload.json.to_owned());
        move || {
            let session: Theirs = serde_json::from_str(&peer.read(black_box(&cookie))).expect("JSON");
            black_box(session).check(payload);
        }
    };
    [
        Row::new(format!("decode-all-typed/{}/itsdangerous", payload.name), crate_itsdangerous),
        Row::new(format!("decode-all-typed/{}/cookie-rs", payload.name), cookie_rs),
    ]
}

/// cookie-rs: JSON, signed (or encrypted) by the jar, percent-encoded because cookies allow no
/// quotes.
#[derive(Clone)]
struct CookieRs {
    key: cookie::Key,
    private: bool,
}

impl CookieRs {
    fn new() -> Self {
        Self { key: cookie::Key::from(KEY.repeat(2).as_bytes()), private: false }
    }

    fn read(&self, header: &str) -> String {
        let mut jar = cookie::CookieJar::new();
        jar.add_original(cookie::Cookie::parse_encoded(header.to_owned()).expect("a cookie"));
        let cookie = if self.private {
            jar.private(&self.key).get("session")
        } else {
            jar.signed(&self.key).get("session")
        };
        cookie.expect("a good cookie").value().to_owned()
    }

    fn write(&self, value: String) -> String {
        let mut jar = cookie::CookieJar::new();
        let cookie = cookie::Cookie::new("session", value);
        if self.private {
            jar.private_mut(&self.key).add(cookie)
        } else {
            jar.signed_mut(&self.key).add(cookie)
        }
        jar.delta().next().expect("the cookie that was added").encoded().to_string()
    }
}

impl Peer for CookieRs {
    const NAME: &'static str = "cookie-rs";
    type Session = Value;

    fn of(json: &Value) -> Value {
        json.clone()
    }

    fn open(&self, cookie: &str) -> Value {
        serde_json::from_str(&self.read(cookie)).expect("JSON")
    }

    fn save(&self, session: &Value) -> String {
        self.write(serde_json::to_string(session).expect("JSON can be written"))
    }

    fn get<'s>(session: &'s Value, key: &str) -> Cow<'s, Value> {
        Cow::Borrowed(&session[key])
    }

    fn set(session: &mut Value, key: &str, text: &str) {
        session[key] = text.into();
    }

    fn decode_rest(session: &Value) -> usize {
        session.as_object().map_or(0, serde_json::Map::len)
    }
}

#[derive(Clone)]
struct CookieRsPrivate(CookieRs);

impl Peer for CookieRsPrivate {
    const NAME: &'static str = "cookie-rs-private";
    type Session = Value;

    fn of(json: &Value) -> Value {
        json.clone()
    }

    fn open(&self, cookie: &str) -> Value {
        self.0.open(cookie)
    }

    fn save(&self, session: &Value) -> String {
        self.0.save(session)
    }

    fn get<'s>(session: &'s Value, key: &str) -> Cow<'s, Value> {
        Cow::Borrowed(&session[key])
    }

    fn set(session: &mut Value, key: &str, text: &str) {
        CookieRs::set(session, key, text);
    }

    fn decode_rest(session: &Value) -> usize {
        CookieRs::decode_rest(session)
    }

    fn is_deterministic(&self) -> bool {
        false
    }
}

/// actix-session: each value is JSON in a map, the map is JSON as well, with the jar of its
/// middleware.
#[derive(Clone)]
struct Actix {
    key: actix_web::cookie::Key,
    private: bool,
}

type State = HashMap<String, String>;

impl Actix {
    fn new(private: bool) -> Self {
        Self { key: actix_web::cookie::Key::from(KEY.repeat(2).as_bytes()), private }
    }

    fn open(&self, header: &str) -> State {
        use actix_web::cookie::{Cookie, CookieJar};
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(header.to_owned()).expect("a cookie"));
        let cookie = if self.private {
            jar.private(&self.key).get("session")
        } else {
            jar.signed(&self.key).get("session")
        };
        let value = cookie.expect("a good cookie").value().to_owned();
        let key = SessionKey::try_from(value).expect("a session that fits");
        ready(CookieSessionStore::default().load(&key)).expect("JSON").expect("a session")
    }

    fn save(&self, state: &State) -> String {
        use actix_web::cookie::{Cookie, CookieJar, time::Duration};
        let save = CookieSessionStore::default();
        let key = ready(save.save(state.clone(), &Duration::ZERO)).expect("a session that fits");
        let cookie = Cookie::new("session", String::from(key));
        let mut jar = CookieJar::new();
        if self.private {
            jar.private_mut(&self.key).add(cookie)
        } else {
            jar.signed_mut(&self.key).add(cookie)
        }
        jar.delta().next().expect("the cookie that was added").encoded().to_string()
    }
}

/// The store never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a cookie store does not wait"),
    }
}

macro_rules! actix {
    ($name:ident, $text:literal) => {
        #[derive(Clone)]
        struct $name(Actix);

        impl Peer for $name {
            const NAME: &'static str = $text;
            type Session = State;

            fn of(json: &Value) -> State {
                let entries = json.as_object().expect("an object").iter();
                entries.map(|(key, value)| (key.clone(), value.to_string())).collect()
            }

            fn open(&self, cookie: &str) -> State {
                self.0.open(cookie)
            }

            fn save(&self, session: &State) -> String {
                self.0.save(session)
            }

            fn get<'s>(session: &'s State, key: &str) -> Cow<'s, Value> {
                Cow::Owned(serde_json::from_str(&session[key]).expect("JSON"))
            }

            fn set(session: &mut State, key: &str, text: &str) {
                session.insert(key.to_owned(), serde_json::to_string(text).expect("JSON can be written"));
            }

            fn decode_rest(session: &State) -> usize {
                let values = session.values().map(|json| serde_json::from_str::<Value>(json));
                values.filter(|value| black_box(value).is_ok()).count()
            }

            /// The order of a `HashMap` differs between maps.
            fn is_deterministic(&self) -> bool {
                false
            }
        }
    };
}
actix!(ActixSigned, "actix-session");
actix!(ActixPrivate, "actix-session-private");
