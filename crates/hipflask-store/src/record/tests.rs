use hipflask_core::time::DateTime;
use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The session of the recordings: Flask-Session 0.8.0 with Redis, memcached and a directory wrote it.
fn recorded(tuple: bool) -> Dict {
    let pair = vec![Value::from(1), Value::from(2)];
    let date = DateTime::from_unix_micros(1_704_164_645_000_006).unwrap();
    Dict::from([
        ("_permanent", Value::from(true)),
        ("s", "txt".into()),
        ("i", 1.into()),
        ("f", 1.5.into()),
        ("t", true.into()),
        ("n", Value::None),
        ("l", Value::List(pair.clone())),
        ("d", Dict::from([("k", "v")]).into()),
        ("tp", if tuple { Value::Tuple(pair) } else { Value::List(pair) }),
        ("by", Value::Bytes(vec![0, 255])),
        ("dtu", date.into()),
        ("dtn", "2024-01-02T03:04:05.000006".into()),
    ])
}

const MSGPACK: &str = "8c aa 5f7065726d616e656e74 c3 a1 73 a3 747874 a1 69 01 a1 66 cb 3ff8000000000000
    a1 74 c3 a1 6e c0 a1 6c 92 01 02 a1 64 81 a1 6b a1 76 a2 7470 92 01 02
    a2 6279 c4 02 00ff a3 647475 d7 ff 00005dc065937d25
    a3 64746e ba 323032342d30312d30325430333a30343a30352e303030303036";

/// The content of a file of cachelib 0.17.0, without its four bytes of expiry.
const PICKLE: &str = "8005 95df00000000000000 7d94 28 8c0a5f7065726d616e656e74 94 88 8c0173 94 8c03747874 94
    8c0169 94 4b01 8c0166 94 473ff8000000000000 8c0174 94 88 8c016e 94 4e 8c016c 94 5d94 28 4b01 4b02 65
    8c0164 94 7d94 8c016b 94 8c0176 94 73 8c027470 94 4b01 4b02 86 94 8c026279 94 430200ff 94
    8c03647475 94 8c086461746574696d65 94 8c086461746574696d65 94 93 94 430a07e80102030405000006 94
    6813 8c0874696d657a6f6e65 94 93 94 6813 8c0974696d6564656c7461 94 93 94 4b00 4b00 4b00 87 94 52 94 85 94 52 94 86 94 52 94
    8c0364746e 94 6815 430a07e80102030405000006 94 85 94 52 94 75 2e";

#[test]
fn msgpack_of_flask_session_round_trips() {
    let record = Format::read(&bytes(MSGPACK)).unwrap();
    assert_eq!(record.dict, recorded(false));
    assert_eq!(Format::Msgpack.write(&recorded(true)).unwrap(), bytes(MSGPACK));
    let small = Dict::from([("_permanent", Value::from(true)), ("a", 1.into())]);
    assert_eq!(Format::Msgpack.write(&small).unwrap(), bytes("82aa5f7065726d616e656e74c3a16101"));
}

#[test]
fn naive_date_of_a_pickle_is_written_back() {
    let record = Format::read(&bytes(PICKLE)).unwrap();
    assert_eq!(record.dict, recorded(true));
    assert_eq!(format!("{:?}", record.opaque), r#"{"dtn"}"#);
    let written = Format::Pickle.write_with(&record.dict, &record.opaque).unwrap();
    let naive = bytes("8c086461746574696d658c086461746574696d6593430a07e801020304050000068552");
    assert!(written.windows(naive.len()).any(|part| part == naive));
    let again = Format::read(&written).unwrap();
    assert_eq!((again.dict, again.opaque.is_empty()), (recorded(true), false));
}

#[test]
fn changed_value_replaces_its_original() {
    let mut record = Format::read(&bytes(PICKLE)).unwrap();
    record.dict.insert("dtn", "tomorrow");
    let written = Format::Pickle.write_with(&record.dict, &record.opaque).unwrap();
    let again = Format::read(&written).unwrap();
    assert_eq!((again.dict.get("dtn"), again.opaque.is_empty()), (Some(&"tomorrow".into()), true));
}

#[test]
fn json_is_spelled_as_msgspec_spells_it() {
    let date = DateTime::from_unix_micros(1_704_164_645_120_000).unwrap();
    let dict = Dict::from([
        ("a\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}\u{80}\u{2028}é😀", Value::None),
        (
            "f",
            Value::List(
                [1e16, 1e15, 1e-5, 1e-6, 1.5e-7, -0.0, f64::NAN, f64::INFINITY].map(Value::from).into(),
            ),
        ),
        ("b", Value::Bytes(vec![255, 254, 253, 252])),
        ("d", date.with_offset(19_800).unwrap().into()),
        ("u", hipflask_core::value::Uuid::from_u128(5).into()),
    ]);
    let json = concat!(
        r#"{"a\"\\/\b\f\n\r\t\u0000\u001f"#,
        "\u{7f}\u{80}\u{2028}é😀",
        r#"":null,"f":[1e16,1000000000000000.0,0.00001,1e-6,1.5e-7,-0.0,null,null],"b":"//79/A==","#,
        r#""d":"2024-01-02T08:34:05.120000+05:30","u":"00000000-0000-0000-0000-000000000005"}"#
    );
    assert_eq!(String::from_utf8(Format::Json.write(&dict).unwrap()).unwrap(), json);
}

/// Each as msgspec 0.22.0 takes it; a few texts that it refuses are refused.
#[test]
fn json_is_read_strictly() {
    let cases: [(&str, Option<Value>); 22] = [
        ("18446744073709551616", Some(Value::from(1u128 << 64))),
        ("1e400", None),
        ("-0", Some(0.into())),
        ("-0.0", Some((-0.0).into())),
        ("1E5", Some(100_000.0.into())),
        (r#""\ud800""#, None),
        (r#""\ud83d\ude00\/""#, Some("😀/".into())),
        (r#""\ud83d\ud83d""#, None),
        ("NaN", None),
        ("[1,]", None),
        (" [ 1 , 2 ] ", Some(Value::List(vec![1.into(), 2.into()]))),
        (r#"{"a":1,"a":2}"#, Some(Dict::from([("a", 2)]).into())),
        (r#"{"a":1,}"#, None),
        ("01", None),
        ("1.", None),
        (".5", None),
        ("-", None),
        ("\"\u{1}\"", None),
        (r#""\x""#, None),
        ("tru", None),
        ("1 2", None),
        ("0.1e-7", Some(1e-8.into())),
    ];
    for (text, expected) in cases {
        let record = Format::read(format!(r#"{{"v":{text}}}"#).as_bytes());
        assert_eq!(
            record.ok().map(|record| record.dict),
            expected.map(|value| Dict::from([("v", value)])),
            "{text}"
        );
    }
    assert!(Format::read(b"{\"\xff\":1}").is_err());
}

/// As in Flask-Session, an empty record and nil are not a session, and a list of pairs is one.
#[test]
fn corner_values_in_the_store() {
    for nothing in [&b""[..], b"\xc0", b"null", b"\x80\x04N."] {
        assert_eq!(Format::read(nothing).unwrap_err(), RecordError::Empty, "{nothing:?}");
    }
    let pairs = Dict::from([("a", 3)]);
    assert_eq!(Format::read(b"\x91\x92\xa1a\x03").unwrap().dict, pairs);
    assert_eq!(Format::read(br#"[["a",3]]"#).unwrap().dict, pairs);
    assert_eq!(Format::read(b"\x80").unwrap().dict, Dict::new());
    assert_eq!(Format::read(br#"{"a":3}"#).unwrap().dict, pairs);
    for junk in
        [&b"\x01"[..], b"1", b"\x91\x01", b"[1]", b"\xff", b"!", b"\x82\xa1a\x01", b"\x81\xa1a\x01\x01"]
    {
        let error = Format::read(junk).unwrap_err();
        assert!(!matches!(error, RecordError::Empty), "{junk:?}: {error}");
    }
}

#[test]
fn pickle_with_code_is_refused_by_name() {
    let cases: [(&[u8], &str); 8] = [
        (b"cos\nsystem\n(S'touch /tmp/x'\ntR.", "os.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "posix.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"c__builtin__\ngetattr\n.", "__builtin__.getattr"),
        (b"\x80\x02ccollections\nCounter\n)R.", "collections.Counter"),
        (b"(i__main__\nX\n.", "opcode 0x69"),
        (b"\x80\x02\x82\x01.", "opcode 0x82"),
        (b"Pabc\n.", "opcode 0x50"),
    ];
    for (data, asked) in cases {
        let error = Format::read(data).unwrap_err();
        assert_eq!(error, RecordError::Forbidden { name: asked.into() }, "{}", data.escape_ascii());
    }
    // Known names with other arguments than Python's own pickles give them.
    for data in [
        &b"cbuiltins\nset\n(I5\ntR."[..],
        b"cdatetime\ndatetime\n(S'short'\ntR.",
        b"cdecimal\nDecimal\n(S'import os'\ntR.",
        b"cuuid\nUUID\n)\x81}(S'__class__'\nI1\nub.",
        b"cmarkupsafe\nMarkup\n(cos\nsystem\ntR.",
        b"ccopyreg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR.",
    ] {
        assert!(matches!(Format::read(data), Err(RecordError::Forbidden { .. })), "{}", data.escape_ascii());
    }
}

#[test]
fn a_pickle_cannot_exhaust_stack_or_memory() {
    // 20 000 lists in one another.
    let deep = [b"}(U\x01a".to_vec(), b"(".repeat(20_000), b"l".repeat(20_000), b"u.".to_vec()].concat();
    assert_eq!(Format::read(&deep).unwrap_err(), RecordError::TooDeep);
    let deep =
        [b"\x80\x04}(\x8c\x01a".to_vec(), b"]".repeat(20_000), b"a".repeat(19_999), b"u.".to_vec()].concat();
    assert_eq!(Format::read(&deep).unwrap_err(), RecordError::TooDeep);
    // A list in itself, a dict in itself.
    assert_eq!(Format::read(b"\x80\x04}\x94(\x8c\x01a]\x94h\x01au.").unwrap_err(), RecordError::Cyclic);
    assert_eq!(Format::read(b"\x80\x04}\x94\x8c\x01ah\x00s.").unwrap_err(), RecordError::Cyclic);
    // Each list holds the one before twice: 2^40 values in 400 bytes.
    let mut laughs = b"\x80\x04}(\x8c\x01a]\x94".to_vec();
    for level in 0..40u8 {
        laughs.extend_from_slice(&[b'0', b']', 0x94, b'(', b'h', level, b'h', level, b'e']);
    }
    laughs.extend_from_slice(b"u.");
    assert_eq!(Format::read(&laughs).unwrap_err(), RecordError::TooLarge);
    // False lengths.
    for data in [
        &b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."[..],
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"B\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\xff.",
        b"j\xff\xff\xff\xff.",
        b"\x80\x06N.",
    ] {
        assert!(Format::read(data).is_err(), "{}", data.escape_ascii());
    }
    assert!(Format::read(&vec![b'('; MAX_BYTES]).is_err());
    assert!(Format::read(&vec![b']'; 2 << 20]).is_err());
    assert_eq!(Format::read(&vec![b'('; MAX_BYTES + 1]).unwrap_err(), RecordError::TooLarge);
}

#[test]
fn msgpack_and_json_bombs_are_refused() {
    for (head, format) in [(&b"\x81\xa1a"[..], Format::Msgpack), (br#"{"a":"#, Format::Json)] {
        let open: &[u8] = if format == Format::Json { b"[" } else { b"\x91" };
        let deep = [head, &open.repeat(100_000)].concat();
        assert_eq!(Format::read(&deep).unwrap_err(), RecordError::TooDeep, "{format}");
    }
    for data in [
        &b"\x81\xa1a\xdd\xff\xff\xff\xff"[..],
        b"\x81\xa1a\xc6\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff\xa1a",
    ] {
        assert!(Format::read(data).is_err());
    }
    let many = [b"\x81\xa1a\xdd\x00\xff\xff\xff".to_vec(), vec![1; 0xFF_FFFF - 16]].concat();
    assert_eq!(Format::read(&many).unwrap_err(), RecordError::TooLarge);
}

#[test]
fn unsupported_value_is_refused_without_being_shown() {
    let big = Value::from(1i128 << 64);
    let lone = Value::Str(Text::from_bytes(b"secret\xED\xA0\x80").unwrap());
    let nested = |value: Value| Value::List(vec![Dict::from([("in", value)]).into()]);
    for (format, value, problem) in [
        (Format::Msgpack, Value::Markup("<b>".into()), Problem::Markup),
        (Format::Json, nested(Value::Markup("<b>".into())), Problem::Markup),
        (Format::Msgpack, nested(big.clone()), Problem::BigInt),
        (Format::Msgpack, lone.clone(), Problem::Surrogate),
        (Format::Json, nested(lone.clone()), Problem::Surrogate),
    ] {
        let error = format.check(&"key".into(), &value).unwrap_err();
        assert_eq!(error, EncodeError { key: "key".into(), format, problem });
        assert!(!error.to_string().contains("secret"));
    }
    for (format, value) in
        [(Format::Json, big), (Format::Pickle, lone), (Format::Pickle, Value::Markup("m".into()))]
    {
        assert_eq!(format.check(&"key".into(), &value), Ok(()));
    }
    let lone_key = Text::from_bytes(b"\xED\xA0\x80").unwrap();
    assert!(Format::Json.check(&lone_key, &Value::None).is_err());
    let error = Format::Msgpack.check(&"n".into(), &Value::from(1i128 << 64)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "session key \"n\": msgpack cannot hold an int of more than 64 bits; set it as text"
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::List),
            prop::collection::vec((".{0,3}", inner), 0..20)
                .prop_map(|all| Value::Dict(all.into_iter().collect())),
        ]
    })
}

/// A session whose values are read late holds what reading all of them at once gives, and is
/// refused where that is.
fn opens_as_it_reads(data: &[u8]) {
    match (Format::open(data), Format::read(data)) {
        (Ok((session, opaque)), Ok(record)) => {
            let again = Format::Msgpack.write_session(&session, &opaque);
            assert_eq!(session.to_dict(), record.dict);
            assert!(session.keys().eq(record.dict.keys()));
            if let Ok(again) = again
                && Format::of(data) == Format::Msgpack
            {
                assert_eq!(Format::read(&again).unwrap().dict, record.dict);
            }
        }
        (Err(_), Err(_)) => {}
        (open, read) => panic!("{:?} but {:?}", open.map(drop), read.map(drop)),
    }
}

#[test]
fn unchanged_values_keep_their_bytes() {
    let (mut session, opaque) = Format::open(&bytes(MSGPACK)).unwrap();
    assert_eq!(Format::Msgpack.write_session(&session, &opaque).unwrap(), bytes(MSGPACK));
    // A number in a form that msgspec does not choose stays in it.
    let odd = b"\x82\xa1a\xd3\0\0\0\0\0\0\0\x01\xa1b\x02";
    let (opened, kept_odd) = Format::open(odd).unwrap();
    assert_eq!(Format::Msgpack.write_session(&opened, &kept_odd).unwrap(), odd);
    assert_eq!(Format::Json.write_session(&opened, &kept_odd).unwrap(), br#"{"a":1,"b":2}"#);

    assert_eq!(session.get::<String>("s").unwrap().as_deref(), Some("txt"));
    session.set("i", 300).unwrap();
    session.edit(|s| s.at("l")?.push(3)).unwrap();
    session.remove("by");
    session.set("new", "x").unwrap();
    let written = Format::Msgpack.write_session(&session, &opaque).unwrap();
    assert_eq!(written, Format::Msgpack.write_with(&session.to_dict(), &opaque).unwrap());
    session.clear();
    session.set("i", 1).unwrap();
    assert_eq!(Format::Msgpack.write_session(&session, &opaque).unwrap(), b"\x81\xa1i\x01");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in value()) {
        let dict = Dict::from([("v", value)]);
        for format in [Format::Msgpack, Format::Pickle] {
            let data = format.write(&dict).unwrap();
            prop_assert_eq!(Format::of(&data), format);
            prop_assert_eq!(&Format::read(&data).unwrap().dict, &dict);
            opens_as_it_reads(&data);
        }
        let json = Format::Json.write(&dict).unwrap();
        prop_assert!(Format::read(&json).is_ok());
        prop_assert_eq!(Format::of(&json), Format::Json);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(data: Vec<u8>) {
        let _ = Format::read(&data);
        for head in [&b"\x81"[..], b"\x82\xa1a", b"{", b"\x80\x04"] {
            opens_as_it_reads(&[head, &data].concat());
        }
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        for good in [bytes(MSGPACK), bytes(PICKLE), br#"{"a":[1,{"b":"\u00e9"},2.5e3]}"#.to_vec()] {
            let mut bad = good.clone();
            bad[place.index(good.len())] = byte;
            opens_as_it_reads(&bad);
            if let Ok(record) = Format::read(&bad) {
                let _ = Format::Pickle.write_with(&record.dict, &record.opaque);
                let _ = Format::Msgpack.write_with(&record.dict, &record.opaque);
            }
            let cut = &good[..cut.index(good.len())];
            // The first byte of a pickle alone is an empty msgpack dict.
            prop_assert!(cut == b"\x80" || Format::read(cut).is_err());
        }
    }

    #[test]
    fn opcodes_in_any_order_make_no_reader_panic(
        ops in prop::collection::vec(prop::sample::select(&b"(.012NIJKMLFGXVUTSCB]}){ltduaesqprhgjcRb\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8f\x90\x91\x93\x94\x95\x96\x01\x00\n"[..]), 0..60),
    ) {
        let _ = Format::read(&[b"\x80\x04".to_vec(), ops].concat());
    }
}

#[test]
fn last_of_two_values_keeps_its_original() {
    // {"a": {5: 1}, "a": []}, and the same the other way round.
    for (record, is_kept) in
        [(&b"\x82\xa1a\x81\x05\x01\xa1a\x90"[..], false), (b"\x82\xa1a\x90\xa1a\x81\x05\x01", true)]
    {
        let read = Format::read(record).unwrap();
        assert_eq!(read.opaque.is_empty(), !is_kept);
        let written = Format::Msgpack.write_with(&read.dict, &read.opaque).unwrap();
        let expected: &[u8] = if is_kept { b"\x81\xa1a\x81\x05\x01" } else { b"\x81\xa1a\x90" };
        assert_eq!(written, expected);
    }
    // A set is shown as a list. The list that follows it under the same key is not a set.
    let read = Format::read(b"\x80\x04}(\x8c\x01a\x8f(K\x01\x90\x8c\x01a]K\x01au.").unwrap();
    assert!(read.opaque.is_empty());
}
