//! Tests that every reader is linear: it takes a few steps for each byte, whatever the shape of the
//! input.

use serde::de::IgnoredAny;

use crate::codec::SessionCodec;
use crate::cookie;
use crate::plan::Profile;
use crate::session::SessionDict;
use crate::signing::{Compression, PayloadCodec, TimestampSigner};
use crate::steps::assert_linear;
use crate::tagged::{self, Event, EventReader, JsonError};
use crate::time::{DateTime, UnixTime};
use crate::value::{Dict, MAX_DEPTH, Text, Value};

#[track_caller]
fn is_linear<T>(what: &str, shape: &str, length: usize, work: impl FnOnce() -> T) {
    assert_linear(&format!("{what} on {shape:.80}"), length, work);
}

/// Every kind of nesting that a reader might read twice: the text that opens a level and the text
/// that closes it.
const NESTINGS: [(&str, &str); 16] = [
    ("[", "]"),
    (r#"{"a":"#, "}"),
    (r#"{ "a" : "#, " }"),
    (r#"{"\u0061":"#, "}"),
    (r#"{"a":1,"\u0061":"#, "}"),
    (r#"{" x":"#, "}"),
    (r#"{" t":["#, "]}"),
    (r#"{" t":"#, "}"),
    (r#"{" t":1," t":"#, "}"),
    (r#"{" a":1," b":"#, "}"),
    (r#"{"\u0020t":["#, "]}"),
    (r#"{" di":{" t__":"#, "}}"),
    (r#"{"\u0020di":{"\u0020t__":"#, "}}"),
    (r#"{" b":"#, "}"),
    (r#"{" m":"#, "}"),
    (r#"{" d":"#, "}"),
];

/// About `length` bytes of JSON to put inside.
fn fillings(length: usize) -> Vec<String> {
    let times = |part: &str| part.repeat(length / part.len());
    vec![
        format!("\"{}\"", times("x")),
        format!("\"{}\"", times(r"\u00e9")),
        format!("\"{}\"", times("AP8=")),
        format!("[{}1]", times("1,")),
        format!("[{}{}]", format!("{},", "9".repeat(4300)).repeat(length / 4301), 1),
        format!("[{}1]", times(r#"{" t":[1]},"#)),
        format!("[{}1]", times(r#"{"\u0020x":1},"#)),
        format!("[{}1]", times(r#"{" d":"Tue, 02 Jan 2024 03:04:05"},"#)),
        format!("{{{}\"z\":1}}", times(r#""a":1,"#)),
        format!("{{{}\" t\":1}}", times(r#"" t":[],"#)),
        format!("{{{}\"z\":1}}", (0..length / 12).map(|n| format!("\" {n:07}\":1,")).collect::<String>()),
    ]
}

/// Text that is not JSON, or that ends too early.
fn garbage(length: usize) -> Vec<String> {
    let parts = [
        "[",
        "{",
        "{\"a\":",
        "\"",
        "\\",
        "\"\\",
        " ",
        "9",
        "-",
        "1e",
        "{\" t\":",
        "{\"\\u0020t\":[",
        ",",
        "n",
        "é",
    ];
    parts.iter().map(|part| part.repeat(length / part.len())).collect()
}

fn texts(length: usize) -> Vec<String> {
    let mut texts = garbage(length);
    for (open, close) in NESTINGS {
        let levels = open.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        let depth = (MAX_DEPTH - 4) / levels;
        for filling in fillings(length) {
            texts.push(format!("{}{filling}{}", open.repeat(depth), close.repeat(depth)));
            texts.push(format!("{}{filling}", open.repeat(depth)));
        }
    }
    texts
}

/// A container that has not ended.
enum Open {
    List,
    Tuple,
    Dict,
}

/// Reads all events, without a call for each level.
fn read_events(mut json: EventReader<'_>) -> Result<(), JsonError> {
    let mut open = Vec::new();
    loop {
        match json.event()? {
            Event::Dict => open.push(Open::Dict),
            Event::List => open.push(Open::List),
            Event::Tuple => open.push(Open::Tuple),
            _ => {}
        }
        while !has_next(&mut json, open.last())? {
            if let Some(Open::Tuple) = open.pop() {
                let _ = json.end_tuple()?;
            }
            if open.is_empty() {
                return json.finish();
            }
        }
    }
}

fn has_next(json: &mut EventReader<'_>, open: Option<&Open>) -> Result<bool, JsonError> {
    match open {
        None => Ok(false),
        Some(Open::Dict) => Ok(json.key()?.is_some()),
        Some(Open::List | Open::Tuple) => json.item(),
    }
}

fn json_readers_are_linear(texts: &[String]) {
    for text in texts {
        let length = text.len();
        is_linear("from_str", text, length, || tagged::from_str(text));
        is_linear("from_str_plain", text, length, || tagged::from_str_plain(text));
        is_linear("events", text, length, || read_events(EventReader::new(text)?));
        is_linear("msgspec", text, length, || read_events(EventReader::msgspec(text)));
        let session = format!("{{\"k\":{text}}}");
        is_linear("from_json", text, length, || SessionDict::from_json(session.as_str()));
        let Ok(session) = SessionDict::from_json(session) else { continue };
        is_linear("a type that does not fit", text, length, || session.get::<u8>("k"));
        let session = session.clone();
        is_linear("IgnoredAny", text, length, || session.get::<IgnoredAny>("k"));
        is_linear("Vec<Option<String>>", text, length, || session.get::<Vec<Option<String>>>("k"));
        is_linear("Value", text, length, || session.get::<Value>("k"));
    }
}

#[test]
fn json_readers_take_few_steps_per_byte() {
    json_readers_are_linear(&texts(1_000));
    json_readers_are_linear(&texts(4_000));
}

#[test]
fn json_readers_are_linear_on_a_megabyte() {
    let nestings = [r#"{"\u0061":"#, r#"{" m":"#, r#"{" t":1," t":"#].map(|open| open.repeat(MAX_DEPTH - 4));
    let fillings = [format!("\"{}\"", "x".repeat(1 << 20)), format!("[{}{{}}]", "[],".repeat(300_000))];
    for (nesting, filling) in
        nestings.iter().flat_map(|nesting| fillings.each_ref().map(|filling| (nesting, filling)))
    {
        let close = "}".repeat(MAX_DEPTH - 4);
        json_readers_are_linear(&[format!("{nesting}{filling}{close}")]);
    }
}

#[test]
fn session_cookies_take_few_steps_per_byte() {
    let now = UnixTime::from_secs(1_700_000_000);
    let codec = SessionCodec::builder("k").build().unwrap();
    let signer = TimestampSigner::flask_cookie("k").unwrap();
    for text in texts(1_000) {
        for compression in [Compression::Never, Compression::AsFlask] {
            let json = format!("{{\"k\":{text}}}");
            let mut payload = String::new();
            PayloadCodec::new(compression).encode_into(json.as_bytes(), &mut payload);
            let cookie = signer.sign(&payload, now);
            is_linear("open", &text, cookie.len() + json.len(), || codec.open(cookie.as_bytes(), now));
            is_linear("open_dict", &text, cookie.len() + json.len(), || {
                codec.open_dict(cookie.as_bytes(), now)
            });
            is_linear("open_unverified", &text, cookie.len() + json.len(), || {
                SessionCodec::open_unverified(cookie.as_bytes())
            });
        }
    }
}

#[test]
fn cookie_headers_take_few_steps_per_byte() {
    let parts = [
        "a=b; ",
        "session=x; ",
        "session=\"",
        "a=\"",
        "a=\"\\",
        "a=\"\\\";",
        "a=\"b; ",
        "\"",
        "\\",
        ";",
        " ",
        "\t",
        "=",
        "a",
        "session",
        "session=\t",
        "session=\\",
        "é=é; ",
        "session=\"\\303\\251\"; ",
        "a= \"\\ \";",
    ];
    for (length, every) in [(1_000, 1), (30_000, 1), (1_000_000, 6)] {
        for part in parts.into_iter().step_by(every) {
            let header = part.repeat(length / part.len());
            let line = header.as_bytes();
            is_linear("parse", &header, line.len(), || cookie::parse(line).count());
            // One line, and three lines, each of which can close a quote of the line before it.
            for lines in [vec![line], vec![line, line, b"\""]] {
                let length = lines.iter().map(|line| line.len()).sum();
                let all = || lines.iter().copied();
                is_linear("values", &header, length, || cookie::values(all(), "session").count());
                is_linear("octets", &header, length, || cookie::octets(all(), "session").count());
                for profile in [Profile::Flask, Profile::Strict] {
                    is_linear("candidates", &header, length, || {
                        cookie::candidates(all(), "session", profile).count()
                    });
                }
            }
        }
    }
}

#[test]
fn dates_and_payloads_take_few_steps_per_byte() {
    for length in [1_000, 100_000] {
        for part in
            ["1", "1 ", "-", "+1", "_1", "1_", ":", "1:", ",", "Mon, ", "é", "A", "A=", "=", "*", ".", ".A"]
        {
            let text = part.repeat(length / part.len());
            is_linear("parse_http_date", &text, text.len(), || DateTime::parse_http_date(&text));
            is_linear("parse_iso", &text, text.len(), || DateTime::parse_iso(&text));
            is_linear("decode", &text, text.len(), || PayloadCodec::default().decode(text.as_bytes()));
            is_linear("Text", &text, text.len(), || Text::from_bytes(text.as_bytes()));
        }
    }
}

/// A dict whose keys are numbers as text.
fn numbered(keys: impl Iterator<Item = i64>) -> Dict {
    keys.map(|n| (format!("{n:06}"), n)).collect()
}

#[test]
fn many_changes_take_few_steps_each() {
    const KEYS: i64 = 5_000;
    let bytes = KEYS as usize * "000000".len();
    let is_linear = |what: &str, work: &mut dyn FnMut()| is_linear(what, "many keys", bytes, work);
    let base = numbered(0..KEYS);

    let mut session = SessionDict::from_dict(base.clone());
    let backwards = numbered((0..KEYS / 2).rev());
    let nothing = Dict::new();
    is_linear("adopt", &mut || session.adopt(backwards.clone(), false, &nothing, |_| false).unwrap());
    assert!(session.keys().eq(backwards.keys()));

    let (ours, mut newest) = (session.to_dict(), base.clone());
    is_linear("replay", &mut || session.changes().replay(&ours, &mut newest));
    assert_eq!(newest, backwards);

    let mut session = SessionDict::from_dict(base.clone());
    is_linear("an edit that fails", &mut || {
        let failed = session.edit(|s| {
            base.keys().for_each(|key| s.insert(format!("new {key}"), 1));
            s.at("missing").map(drop)
        });
        failed.unwrap_err();
    });
    assert!(session.keys().eq(base.keys()));
    is_linear("an edit", &mut || {
        session
            .edit(|s| base.keys().try_for_each(|key| s.at(key).map(|value| *value = (-1).into())))
            .unwrap();
    });
    assert_eq!(session.changes().iter().count(), base.len());
}
