//! Records both ways: bytes where msgspec's are reproducible, values where pickle's are not.

use hipflask_core::value::{Dict, Value};
use hipflask_store::record::Format;
use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::RealFlask;
use hipflask_testkit::rng::TestRng;
use serde::Deserialize;
use serde_json::{Map, json};

const COUNT: usize = 6000;

#[derive(Deserialize)]
struct Generated {
    value: String,
    data: Option<String>,
    read: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Read {
    value: Option<String>,
    text: Option<String>,
}

fn ask<T: serde::de::DeserializeOwned>(flask: &mut RealFlask, op: &str, question: serde_json::Value) -> T {
    let question: Map<_, _> = question.as_object().unwrap().clone();
    flask.ask(op, question).unwrap()
}

fn generate(flask: &mut RealFlask, form: &str) -> Vec<Generated> {
    let seed = TestRng::fresh().seed();
    ask(flask, "generate_records", json!({"form": form, "seed": seed, "count": COUNT}))
}

fn dict(description: &str) -> Dict {
    match parse(description).unwrap() {
        Value::Dict(dict) => dict,
        other => panic!("{other:?} is not a session"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Hipflask writes and refuses the same values as msgspec, byte for byte.
fn same_bytes(form: &str, format: Format) {
    let mut flask = RealFlask::start().unwrap();
    let (mut written, mut refused) = (0, 0);
    for made in generate(&mut flask, form) {
        match (format.write(&dict(&made.value)), &made.data) {
            (Ok(ours), Some(theirs)) => {
                assert_eq!(hex(&ours), *theirs, "{}", made.value);
                written += 1;
            }
            (Err(error), None) => {
                assert!(!error.to_string().is_empty() && made.error.is_some());
                refused += 1;
            }
            (ours, theirs) => panic!("{}: {ours:?} and {theirs:?}, {:?}", made.value, made.error),
        }
        let (Some(data), Some(read)) = (&made.data, &made.read) else { continue };
        let record = Format::read(&unhex(data)).unwrap_or_else(|error| panic!("{error}: {data}"));
        assert_eq!(describe(&Value::Dict(record.dict)), *read, "{data}");
        assert!(record.opaque.is_empty(), "{data}");
    }
    println!("{form}: {written} records with equal bytes, {refused} refused on both sides");
    assert!(written > COUNT / 4);
}

#[test]
fn msgpack_equals_that_of_real_flask_session() {
    same_bytes("msgpack", Format::Msgpack);
}

#[test]
fn json_equals_that_of_real_flask_session() {
    same_bytes("json", Format::Json);
}

#[test]
fn pickles_are_shared_with_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let made = generate(&mut flask, "pickle");
    let mut ours = Vec::new();
    for made in &made {
        let data = made.data.as_ref().unwrap();
        let record = Format::read(&unhex(data)).unwrap_or_else(|error| panic!("{error}: {data}"));
        assert_eq!(describe(&Value::Dict(record.dict.clone())), made.value, "{data}");
        ours.push(hex(&Format::Pickle.write(&record.dict).unwrap()));
    }
    let read: Vec<Read> = ask(&mut flask, "read_records", json!({"form": "pickle", "records": ours}));
    for ((made, read), ours) in made.iter().zip(read).zip(ours) {
        assert_eq!(read.value.as_ref(), Some(&made.value), "{ours}: {:?}", read.text);
    }
}

fn odd_values_survive(form: &str, format: Format) {
    let mut flask = RealFlask::start().unwrap();
    let seed = TestRng::fresh().seed();
    let theirs: Vec<String> =
        ask(&mut flask, "generate_odd_records", json!({"form": form, "seed": seed, "count": 3000}));
    let mut pairs = Vec::new();
    for data in &theirs {
        let mut record = Format::read(&unhex(data)).unwrap_or_else(|error| panic!("{error}: {data}"));
        record.dict.insert("added by us", true);
        let ours = format.write_with(&record.dict, &record.opaque).unwrap();
        // What we wrote we read like what they wrote.
        let again = Format::read(&ours).unwrap();
        assert_eq!(again.dict, record.dict, "{data}");
        pairs.push([data.clone(), hex(&ours)]);
    }
    let question = json!({"form": form, "pairs": pairs, "added": "added by us"});
    let unharmed: Vec<bool> = ask(&mut flask, "unharmed", question);
    for (pair, unharmed) in pairs.iter().zip(unharmed) {
        assert!(unharmed, "{pair:?}");
    }
}

#[test]
fn python_types_survive_in_real_flask_pickles() {
    odd_values_survive("pickle", Format::Pickle);
}

#[test]
fn msgspec_types_survive_in_real_flask_records() {
    odd_values_survive("msgpack", Format::Msgpack);
}
