//! The operations of Hipflask. Each asserts its answer.

use std::hint::black_box;

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Compression, Derivation, Digest, Signer};
use hipflask_core::tagged;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};

use crate::payload::{CHANGED, KEY, NOW, Payload};
use crate::typed::Ours;

/// An operation that can run repeatedly.
pub struct Operation {
    /// The name, such as `open-last-key`.
    pub name: &'static str,
    pub payload: &'static str,
    pub run: Box<dyn FnMut()>,
}

/// The form of the cookie: deflated or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Deflated,
}

impl Form {
    fn compression(self) -> Compression {
        match self {
            Self::Plain => Compression::Never,
            Self::Deflated => Compression::AsFlask,
        }
    }
}

/// All operations on `payload`, with the deflated form only if Flask deflates the payload.
pub fn operations(payload: Payload) -> Vec<Operation> {
    let mut operations = vec![
        operation("open-first-key", payload, open_first(payload, Form::Plain)),
        operation("open-last-key", payload, open_last(payload, Form::Plain)),
        operation("decode-all", payload, decode_all(payload, Form::Plain)),
        operation("decode-all-typed", payload, decode_typed(payload)),
        operation("encode-sign", payload, encode(payload, Compression::Never)),
        operation("open-change-save", payload, change(payload, Form::Plain)),
    ];
    if payload.has_flashes() {
        operations.extend([
            operation("open-first-key-deflated", payload, open_first(payload, Form::Deflated)),
            operation("open-last-key-deflated", payload, open_last(payload, Form::Deflated)),
            operation("decode-all-deflated", payload, decode_all(payload, Form::Deflated)),
            operation("encode-sign-deflated", payload, encode(payload, Compression::AsFlask)),
            operation("open-change-save-deflated", payload, change(payload, Form::Deflated)),
        ]);
    }
    operations
}

fn operation(name: &'static str, payload: Payload, run: impl FnMut() + 'static) -> Operation {
    Operation { name, payload: payload.name, run: Box::new(run) }
}

pub fn codec(compression: Compression) -> SessionCodec {
    SessionCodec::builder(KEY).compression(compression).build().expect("the key is not empty")
}

pub fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

pub fn dict(payload: Payload) -> Dict {
    let Ok(Value::Dict(dict)) = tagged::from_str(payload.json) else {
        panic!("{} is not a dict", payload.name)
    };
    assert_eq!(
        tagged::to_string(&Value::Dict(dict.clone())).as_deref(),
        Ok(payload.json),
        "spelled as by Flask"
    );
    dict
}

/// The cookie that Hipflask makes from a payload.
pub fn cookie(payload: Payload, compression: Compression) -> String {
    codec(compression)
        .sign(&SessionDict::from_dict(dict(payload)), now())
        .expect("a session of ordinary depth")
}

fn open_last(payload: Payload, form: Form) -> impl FnMut() {
    let (codec, cookie) = (codec(form.compression()), cookie(payload, form.compression()));
    move || {
        let opened = codec.open(black_box(cookie.as_bytes()), now()).expect("a good cookie");
        let value: Option<String> = opened.session.get(payload.last.0).expect("a str");
        assert_eq!(value.as_deref(), Some(payload.last.1));
    }
}

fn open_first(payload: Payload, form: Form) -> impl FnMut() {
    let (codec, cookie) = (codec(form.compression()), cookie(payload, form.compression()));
    move || {
        let opened = codec.open(black_box(cookie.as_bytes()), now()).expect("a good cookie");
        let value = opened.session.value(payload.first).expect("the key exists");
        assert_eq!(first_text(value, payload), Some(payload.first_text()));
    }
}

/// The name in S, otherwise the text of the second flash.
fn first_text(value: &Value, payload: Payload) -> Option<&str> {
    if payload.has_flashes() {
        value.as_items()?.get(1)?.as_items()?.get(1)?.as_str()
    } else {
        value.as_str()
    }
}

fn decode_all(payload: Payload, form: Form) -> impl FnMut() {
    decode_cookie(payload, cookie(payload, form.compression()))
}

/// Reads every value of `cookie`. The whole session is compared once; each run compares the first
/// and the last key.
pub fn decode_cookie(payload: Payload, cookie: String) -> impl FnMut() {
    let codec = codec(Compression::Never);
    assert_eq!(codec.open_dict(cookie.as_bytes(), now()), Ok(dict(payload)));
    move || {
        let dict = codec.open_dict(black_box(cookie.as_bytes()), now()).expect("a good cookie");
        assert_eq!(dict.len(), payload.keys);
        assert_eq!(
            dict.get(payload.first).and_then(|value| first_text(value, payload)),
            Some(payload.first_text())
        );
        assert_eq!(dict.get(payload.last.0).and_then(Value::as_str), Some(payload.last.1));
    }
}

/// Reads every key as its own type.
fn decode_typed(payload: Payload) -> impl FnMut() {
    let (codec, cookie) = (codec(Compression::Never), cookie(payload, Compression::Never));
    move || {
        let opened = codec.open(black_box(cookie.as_bytes()), now()).expect("a good cookie");
        black_box(Ours::read(&opened.session).expect("the keys have these types")).check(payload);
    }
}

pub fn encode(payload: Payload, compression: Compression) -> impl FnMut() {
    let (codec, expected) = (codec(compression), cookie(payload, compression));
    let session = SessionDict::from_dict(dict(payload));
    move || {
        let cookie = codec.sign(black_box(&session), now()).expect("a session of ordinary depth");
        assert_eq!(cookie, expected);
    }
}

fn change(payload: Payload, form: Form) -> impl FnMut() {
    change_with(payload, form.compression())
}

pub fn change_with(payload: Payload, compression: Compression) -> impl FnMut() {
    let (codec, before) = (codec(compression), cookie(payload, compression));
    let mut changed = dict(payload);
    changed.insert(payload.last.0, CHANGED);
    let after = codec.sign(&SessionDict::from_dict(changed), now()).expect("a session of ordinary depth");
    move || {
        let mut session = codec.open(black_box(before.as_bytes()), now()).expect("a good cookie").session;
        session.set(payload.last.0, CHANGED).expect("a session can store a str");
        assert_eq!(codec.sign(&session, now()).expect("a session of ordinary depth"), after);
    }
}

/// Our MAC over the cookie of a payload, not deflated.
pub fn mac(payload: Payload, digest: Digest) -> impl FnMut() {
    let cookie = cookie(payload, Compression::Never).into_bytes();
    let signer = Signer::builder(KEY)
        .derivation(Derivation::Hmac)
        .digest(digest)
        .build()
        .expect("the key is not empty");
    let signature = signer.signature(&cookie).into_bytes();
    move || assert_eq!(signer.verify(black_box(&cookie), &signature), Some(0))
}

/// The MAC of a program that uses RustCrypto's crates directly.
pub fn mac_of_rustcrypto(payload: Payload) -> impl FnMut() {
    use hmac::{Hmac, KeyInit, Mac};
    let cookie = cookie(payload, Compression::Never).into_bytes();
    let mac = Hmac::<sha1::Sha1>::new_from_slice(KEY.as_bytes()).expect("any length will do");
    let expected = mac.clone().chain_update(&cookie).finalize().into_bytes();
    move || {
        let tag = mac.clone().chain_update(black_box(&cookie)).finalize();
        assert_eq!(tag.into_bytes(), expected);
    }
}
