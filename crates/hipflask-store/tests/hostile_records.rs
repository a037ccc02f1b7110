//! Records that somebody wrote who can write to the store: reading one costs no more memory than
//! its bound, and no more steps than its length allows. Memory is counted, not estimated; steps are
//! counted in what is allocated for them.

use allocation_counter::{AllocationInfo, measure};
use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Value};
use hipflask_store::record::{Format, MAX_BYTES, MAX_MEMORY, OpaqueValues, Problem, RecordError};

/// The result of reading a record, and the allocations, including its drop.
fn reading(data: &[u8]) -> (Result<(), RecordError>, AllocationInfo) {
    let mut result = Ok(());
    let info = measure(|| {
        let opened = Format::open(data).map(drop);
        result = Format::read(data).map(drop);
        assert_eq!(opened.is_ok(), result.is_ok());
    });
    (result, info)
}

/// The bound of a record of so many bytes, with room for vectors that are copied while they grow.
fn bound(length: usize) -> u64 {
    (2 * ((1 << 20) + 320 * length).min(MAX_MEMORY) + 2 * length) as u64
}

#[track_caller]
fn assert_bounded(data: &[u8]) -> Result<(), RecordError> {
    let (result, info) = reading(data);
    assert!(
        info.bytes_max <= bound(data.len()),
        "{} bytes take {} bytes of memory, more than {}",
        data.len(),
        info.bytes_max,
        bound(data.len())
    );
    result
}

/// A pickle with `value` and then `references` times `reference` in a list under the key `a`.
fn list_of(value: &[u8], reference: &[u8], references: usize) -> Vec<u8> {
    [b"\x80\x04}(\x8c\x01a](", value, &reference.repeat(references), b"eu."].concat()
}

fn decimal(digits: usize) -> Vec<u8> {
    let length = (digits as u32).to_le_bytes();
    [b"cdecimal\nDecimal\nX", &length[..], &b"7".repeat(digits), b"\x85R\x94"].concat()
}

fn big_int() -> Vec<u8> {
    [&b"\x8b\x00\x08\x00\x00"[..], &[0x7F; 2048], b"\x94"].concat()
}

#[test]
fn repeated_decimal_stays_within_the_bound() {
    let data = list_of(&decimal(4300), b"h\x00", 500_000);
    assert_eq!(assert_bounded(&data), Err(RecordError::TooLarge));
    assert_eq!(assert_bounded(&list_of(&decimal(4300), b"h\x00", 20)), Ok(()));
}

#[test]
fn repeated_integer_stays_within_the_bound() {
    let data = list_of(&big_int(), b"h\x00", 500_000);
    assert_eq!(assert_bounded(&data), Err(RecordError::TooLarge));
    assert_eq!(assert_bounded(&list_of(&big_int(), b"h\x00", 20)), Ok(()));
}

#[test]
fn an_integer_is_spelled_only_a_few_times() {
    // The digits of an integer of 2 kB take half a millisecond. Each key needs them.
    let data = [b"\x80\x04}(", &big_int()[..], b"N", &b"h\x00N".repeat(100_000), b"u."].concat();
    assert_eq!(assert_bounded(&data), Err(RecordError::TooLarge));
    let inner = [b"\x80\x04}(\x8c\x01a}(", &big_int()[..], b"N", &b"h\x00N".repeat(100_000), b"uu."].concat();
    assert_eq!(assert_bounded(&inner), Err(RecordError::TooLarge));
}

#[test]
fn repeated_texts_and_bytes_stay_bounded() {
    for opcode in [b'X', b'B'] {
        let long = [&[opcode][..], &100_000u32.to_le_bytes(), &[b'x'; 100_000], b"\x94"].concat();
        assert_eq!(assert_bounded(&list_of(&long, b"h\x00", 400_000)), Err(RecordError::TooLarge));
        assert_eq!(assert_bounded(&list_of(&long, b"h\x00", 10)), Ok(()));
    }
}

#[test]
fn copying_calls_stay_within_the_bound() {
    let text = |letters: usize| {
        [&b"X"[..], &(letters as u32).to_le_bytes(), &b"7".repeat(letters), b"\x940"].concat()
    };
    let list = [&b"]\x94("[..], &b"N".repeat(100_000), b"e0"].concat();
    let cases: [(&[u8], &[u8], Vec<u8>); 5] = [
        (b"cdecimal\nDecimal\n\x940", b"h\x00h\x01\x85R0", text(4300)),
        (b"c_codecs\nencode\n\x940\x8c\x06latin1\x940", b"h\x00h\x02h\x01\x86R0", text(100_000)),
        (b"cbuiltins\nset\n\x940", b"h\x00h\x01\x85R0", list.clone()),
        (b"cbuiltins\nfrozenset\n\x940", b"h\x00h\x01\x85R0", list),
        (b"cmarkupsafe\nMarkup\n\x940", b"h\x00h\x01\x85R0", text(100_000)),
    ];
    for (names, call, argument) in cases {
        let head = [b"\x80\x04}(\x8c\x01a", names, &argument].concat();
        let one = [&head, &call[..call.len() - 1], b"u."].concat();
        assert_eq!(assert_bounded(&one), Ok(()), "{}", names.escape_ascii());
        let many = [&head, &call.repeat(2_500)[..], b"Nu."].concat();
        assert_eq!(assert_bounded(&many), Err(RecordError::TooLarge), "{}", names.escape_ascii());
    }
}

#[test]
fn a_state_of_many_entries_is_refused() {
    // Each of 60 000 UUIDs would look at all entries of one dict.
    let entries = b"\x8c\x07is_safeN".repeat(100_000);
    let state = [&b"}\x94("[..], &entries, b"u0"].concat();
    let objects = b"h\x01)\x81h\x00b0".repeat(60_000);
    let head = b"\x80\x04}(\x8c\x01a";
    let data = [&head[..], &state, b"cuuid\nUUID\n\x940", &objects, b"Nu."].concat();
    assert!(matches!(assert_bounded(&data), Err(RecordError::Forbidden { .. })));
}

#[test]
fn memo_of_a_pickle_stays_bounded() {
    for opcodes in
        [&b"\x94"[..], b"2", b"(", b"]", b"}", b"N", b"\x8c\x00", b"N\x94", b"h\x00", b")", b"\x8f"]
    {
        for length in [1 << 10, 1 << 17] {
            let data = [b"\x80\x04N\x94", &opcodes.repeat(length / opcodes.len())[..], b"."].concat();
            let _ = assert_bounded(&data);
            let list = list_of(b"N\x94", opcodes, length / opcodes.len());
            let _ = assert_bounded(&list);
        }
    }
    assert!(assert_bounded(&b"(".repeat(MAX_BYTES)).is_err());
}

#[test]
fn false_lengths_reserve_no_memory() {
    for (head, length) in [
        (&b"\xdd\x00\xff\xff\xff"[..], MAX_BYTES),
        (b"\xdc\x10\x00", 1 << 20),
        (b"\xdc\xff\xff", 1 << 10),
        (b"\xdf\x00\xff\xff\xff\xa0", MAX_BYTES),
        (b"\xde\x10\x00\xa0", 1 << 20),
        (b"\xc6\x7f\xff\xff\xff", 1 << 10),
    ] {
        for levels in [1, 60] {
            let nested = [b"\x81\xa1a", &head.repeat(levels)[..]].concat();
            let data = [&nested[..], &vec![0xC0; length - nested.len().min(length)]].concat();
            assert!(assert_bounded(&data).is_err());
            let (result, info) = reading(&nested);
            assert!(result.is_err());
            assert!(info.bytes_max < 1 << 20, "{levels} levels of {head:02x?}: {} bytes", info.bytes_max);
        }
        // As the session itself.
        let (result, info) = reading(head);
        assert!(result.is_err());
        assert!(info.bytes_max < 1 << 16, "{head:02x?}: {} bytes", info.bytes_max);
    }
}

/// Every shape that has little to read for each value, in as many bytes.
fn dense(format: Format, length: usize) -> Vec<Vec<u8>> {
    let (open, close, units): (&[u8], &[u8], &[&[u8]]) = match format {
        Format::Json => {
            (b"{\"a\":[", b"0]}", &[b"0,", b"[],", b"{},", b"[0],", b"{\"\":0},", b"\"\",", b"1e9,"])
        }
        _ => (b"", b"", &[b"\xc0", b"\x90", b"\x80", b"\x91\x00", b"\x81\xa0\x00", b"\xa0", b"\xd4\x05\x00"]),
    };
    let mut all = Vec::new();
    for unit in units {
        let count = length / unit.len();
        let head = [b"\x81\xa1a\xdd", &(count as u32).to_be_bytes()[..]].concat();
        let open = if format == Format::Json { open } else { &head };
        all.push([open, &unit.repeat(count), close].concat());
    }
    if format == Format::Msgpack {
        // A dict in the session, and the session itself: keys that are texts, and keys that are not.
        let keys: Vec<u8> =
            (0..length as u32 / 6).flat_map(|n| [&[0xCE], &n.to_be_bytes()[..], &[0]].concat()).collect();
        let texts: Vec<u8> = (0..length as u32 / 6)
            .flat_map(|n| [&b"\xa4"[..], format!("{:04x}", n & 0xFFFF).as_bytes(), &[0]].concat())
            .collect();
        for (entries, head) in
            [(&keys, &b"\xdf"[..]), (&keys, b"\x81\xa1a\xdf"), (&texts, b"\xdf"), (&texts, b"\x81\xa1a\xdf")]
        {
            all.push([head, &(entries.len() as u32 / 6).to_be_bytes(), entries].concat());
        }
    }
    all
}

#[test]
fn many_small_values_stay_within_the_bound() {
    for format in [Format::Msgpack, Format::Json] {
        for length in [1 << 10, 1 << 16] {
            for data in dense(format, length) {
                assert_eq!(assert_bounded(&data), Ok(()), "{format}, {length}: {:02x?}", &data[..20]);
            }
        }
        for data in dense(format, 1 << 18) {
            let _ = assert_bounded(&data);
        }
    }
}

/// Writing reads back only what is long. What is shorter must be readable whatever it holds.
#[test]
fn written_record_is_readable_at_any_length() {
    let small = |n: usize| -> [Value; 6] {
        [
            Value::None,
            Value::List(vec![]),
            Dict::new().into(),
            Value::List(vec![n.into()]),
            Dict::from([("", n)]).into(),
            Value::from(""),
        ]
    };
    for shape in 0..6 {
        let items: Vec<Value> = (0..60_000).map(|n| small(n)[shape].clone()).collect();
        for length in [1_000, 60_000] {
            let dict = Dict::from([("v", Value::List(items[..length].to_vec()))]);
            for format in [Format::Msgpack, Format::Json, Format::Pickle] {
                let data = format.write(&dict).unwrap();
                assert_eq!(Format::read(&data).map(|record| record.dict.len()), Ok(1), "{format} {shape}");
            }
        }
    }
}

#[test]
fn session_too_long_to_read_is_an_error() {
    let long = Value::from("x".repeat(MAX_BYTES));
    let dict = Dict::from([("small", Value::from("x".repeat(1000))), ("essay", long), ("last", 1.into())]);
    for format in [Format::Msgpack, Format::Json, Format::Pickle] {
        let error = format.write(&dict).unwrap_err();
        assert_eq!((error.problem, error.key), (Problem::TooLarge, "essay".into()), "{format}");
    }
    let mut session = SessionDict::new();
    session.set("essay", "x".repeat(MAX_BYTES)).unwrap();
    let error = Format::Msgpack.write_session(&session, &OpaqueValues::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("session key \"essay\": msgpack cannot hold sessions of more"),
        "{error}"
    );
    let many = Value::List(vec![Value::List(vec![Value::None]); 1_500_000]);
    let error = Format::Msgpack.write(&Dict::from([("many", many)])).unwrap_err();
    assert_eq!((error.problem, error.key), (Problem::TooLarge, "many".into()), "too many values");
}

#[test]
fn shared_texts_are_not_written_beyond_the_bound() {
    let text = Value::from("x".repeat(4300));
    let number = Value::Int(Int::parse(&[b'7'; 4300]).unwrap());
    for (format, shared) in
        [(Format::Msgpack, &text), (Format::Json, &text), (Format::Pickle, &text), (Format::Pickle, &number)]
    {
        let dict = Dict::from([("all", Value::List(vec![shared.clone(); 20_000]))]);
        let mut result = Ok(Vec::new());
        let info = measure(|| result = format.write(&dict));
        assert_eq!(result.unwrap_err().problem, Problem::TooLarge, "{format}");
        // The numbers are copied once to find the largest key.
        assert!(info.bytes_max <= 8 * MAX_BYTES as u64, "{format}: {} bytes", info.bytes_max);
    }
}

/// Has no limit of its own: the square of so many keys takes hours.
#[test]
fn originals_are_written_in_linear_time() {
    let keys = 70_000u32;
    let entries: Vec<u8> = (0..keys).flat_map(|n| [&[0xCE], &n.to_be_bytes()[..], &[0]].concat()).collect();
    let data = [b"\xdf", &keys.to_be_bytes()[..], &entries].concat();
    let (session, opaque) = Format::open(&data).unwrap();
    assert_eq!(Format::Msgpack.write_session(&session, &opaque).unwrap(), data);
    let converted = Format::Pickle.convert(&data).unwrap();
    assert_eq!(converted.changed.len(), keys as usize);
}

/// A set compares by what is in it, in any order. Comparing copies each byte once, not once for each level.
#[test]
fn nested_sets_are_compared_in_linear_time() {
    let nested = |first: u8, second: u8| {
        let long = [&b"X"[..], &200_000u32.to_le_bytes(), &[b'x'; 200_000]].concat();
        let inner = [&b"("[..], &[b'K', first, b'K', second], &long, b"\x91"].concat();
        let levels = 40;
        [b"\x80\x04}(\x8c\x01a", &b"(".repeat(levels)[..], &inner, &b"\x91".repeat(levels), b"u."].concat()
    };
    let opaque = |data: &[u8]| Format::read(data).unwrap().opaque;
    let (one, same, other) = (opaque(&nested(1, 2)), opaque(&nested(2, 1)), opaque(&nested(1, 3)));
    let key = Text::new("a");
    let info = measure(|| assert!(!one.differs(&same, &key) && one.differs(&other, &key)));
    assert!(info.bytes_total < 8 * 200_000, "{} bytes", info.bytes_total);
}

/// Every reader and writer calls itself for each level. The threads of musl have 128 kB.
#[test]
fn the_deepest_record_needs_little_stack() {
    let work = || {
        // The session itself counts as a level.
        let list = (1..MAX_DEPTH).fold(Value::None, |inner, _| Value::List(vec![inner]));
        let dict = (1..MAX_DEPTH).fold(Value::None, |inner, _| Dict::from([("k", inner)]).into());
        for deep in [list, dict] {
            let session = Dict::from([("a", deep.clone())]);
            for format in [Format::Msgpack, Format::Json, Format::Pickle] {
                let data = format.write(&session).unwrap();
                assert_eq!(Format::read(&data).unwrap().dict, session, "{format}");
                let (opened, opaque) = Format::open(&data).unwrap();
                assert_eq!(opened.to_dict(), session);
                assert!(format.write_session(&opened, &opaque).is_ok());
                assert_eq!(Format::Msgpack.convert(&data).unwrap().changed.len(), 0);
                let deeper = Dict::from([("a", Value::List(vec![deep.clone()]))]);
                assert_eq!(format.write(&deeper).unwrap_err().problem, Problem::TooDeep, "{format}");
            }
        }
        let levels = MAX_DEPTH - 1;
        let sets =
            [b"\x80\x04}(\x8c\x01a", &b"(".repeat(levels)[..], b"N", &b"\x91".repeat(levels), b"u."].concat();
        let (session, opaque) = Format::open(&sets).unwrap();
        assert!(!opaque.differs(&opaque.clone(), &Text::new("a")));
        assert!(Format::Pickle.write_session(&session, &opaque).is_ok());
    };
    std::thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap().join().unwrap();
}
