//! The fastest primitives that we know, each alone. No session in this format can be faster.

use std::hint::black_box;

use base64_simd::URL_SAFE_NO_PAD;
use hipflask_core::signing::Compression;
use hipflask_core::value::{Text, Value};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};

use crate::measure::Row;
use crate::ours;
use crate::payload::Payload;

/// The least work of each operation. The faster of alternatives counts.
pub const PARTS: &[(&str, &[&[&str]])] = &[
    ("open-first-key", &[MAC, BASE64_READ, &["json-first-key-sonic-rs"]]),
    ("open-last-key", &[MAC, BASE64_READ, &["json-last-key-sonic-rs"]]),
    ("decode-all", &[MAC, BASE64_READ, TREE]),
    ("decode-all-owned", &[MAC, BASE64_READ, TREE, CONTAINERS, TEXTS]),
    ("encode-sign", &[MAC, BASE64_WRITE, TEXT]),
    ("open-change-save", &[MAC, MAC, BASE64_READ, BASE64_WRITE, &["json-last-key-sonic-rs"]]),
    ("open-first-key-deflated", &[MAC_DEFLATED, BASE64_READ_DEFLATED, INFLATE, &["json-first-key-sonic-rs"]]),
    ("open-last-key-deflated", &[MAC_DEFLATED, BASE64_READ_DEFLATED, INFLATE, &["json-last-key-sonic-rs"]]),
    ("decode-all-deflated", &[MAC_DEFLATED, BASE64_READ_DEFLATED, INFLATE, TREE]),
    ("decode-all-deflated-owned", &[MAC_DEFLATED, BASE64_READ_DEFLATED, INFLATE, TREE, CONTAINERS, TEXTS]),
    ("encode-sign-deflated", &[MAC_DEFLATED, BASE64_WRITE_DEFLATED, DEFLATE, TEXT]),
    (
        "open-change-save-deflated",
        &[
            MAC_DEFLATED,
            MAC_DEFLATED,
            BASE64_READ_DEFLATED,
            BASE64_WRITE_DEFLATED,
            INFLATE,
            DEFLATE,
            &["json-last-key-sonic-rs"],
        ],
    ),
];

const MAC: &[&str] = &["hmac-sha1"];
const MAC_DEFLATED: &[&str] = &["hmac-sha1-deflated"];
const BASE64_READ: &[&str] = &["base64-read"];
const BASE64_READ_DEFLATED: &[&str] = &["base64-read-deflated"];
const BASE64_WRITE: &[&str] = &["base64-write"];
const BASE64_WRITE_DEFLATED: &[&str] = &["base64-write-deflated"];
const INFLATE: &[&str] = &["inflate-libdeflate"];
const DEFLATE: &[&str] = &["deflate-libdeflate"];
const TREE: &[&str] = &["json-tree-sonic-rs", "json-tree-serde_json"];
/// The cost of owned values, in addition to a tree in one arena that borrows its texts.
const CONTAINERS: &[&str] = &["own-containers"];
const TEXTS: &[&str] = &["own-texts"];
const TEXT: &[&str] = &["json-text-sonic-rs", "json-text-serde_json"];

pub fn rows(payload: Payload) -> Vec<Row> {
    let row = |name: &str, run: Box<dyn FnMut()>| Row::new(format!("{name}/{}/floor", payload.name), run);
    let mut rows = vec![
        row("hmac-sha1", Box::new(hmac(payload, Compression::Never))),
        row("hmac-sha1-deflated", Box::new(hmac(payload, Compression::AsFlask))),
        row("base64-read", Box::new(base64_read(payload.json.as_bytes().to_vec()))),
        row("base64-read-deflated", Box::new(base64_read(deflate(payload)))),
        row("base64-write", Box::new(base64_write(payload.json.as_bytes().to_vec()))),
        row("base64-write-deflated", Box::new(base64_write(deflate(payload)))),
        row("json-tree-sonic-rs", Box::new(tree_sonic(payload))),
        row("json-tree-serde_json", Box::new(tree_serde(payload))),
        row("own-containers", Box::new(own_containers(payload))),
        row("own-texts", Box::new(own_texts(payload))),
        row("json-text-sonic-rs", Box::new(text_sonic(payload))),
        row("json-text-serde_json", Box::new(text_serde(payload))),
        row("json-first-key-sonic-rs", Box::new(key_sonic(payload, payload.first))),
        row("json-last-key-sonic-rs", Box::new(key_sonic(payload, payload.last.0))),
    ];
    if payload.has_flashes() {
        rows.push(row("inflate-libdeflate", Box::new(inflate_libdeflate(payload))));
        rows.push(row("deflate-libdeflate", Box::new(deflate_libdeflate(payload))));
    }
    rows
}

/// RustCrypto's block function under our own padding, with both pads computed in advance.
fn hmac(payload: Payload, compression: Compression) -> impl FnMut() {
    use sha1::block_api::compress;
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let cookie = ours::cookie(payload, compression).into_bytes();
    let pad = |byte: u8| {
        let mut state = INITIAL;
        compress(&mut state, &[[byte ^ 0x6b; 64]]);
        state
    };
    let (inner, outer) = (pad(0x36), pad(0x5c));
    let mac = move |message: &[u8]| {
        let mut state = inner;
        let (blocks, rest) = message.as_chunks::<64>();
        compress(&mut state, blocks);
        let mut last = [[0; 64]; 2];
        last[0][..rest.len()].copy_from_slice(rest);
        last[0][rest.len()] = 0x80;
        let used = if rest.len() < 56 { 1 } else { 2 };
        last[used - 1][56..].copy_from_slice(&((64 + message.len() as u64) * 8).to_be_bytes());
        compress(&mut state, &last[..used]);
        let mut block = [0; 64];
        block[..20].copy_from_slice(state.map(u32::to_be_bytes).as_flattened());
        block[20] = 0x80;
        block[56..].copy_from_slice(&((64 + 20) * 8_u64).to_be_bytes());
        state = outer;
        compress(&mut state, &[block]);
        state
    };
    let expected = mac(&cookie);
    move || assert_eq!(mac(black_box(&cookie)), expected)
}

fn base64_read(bytes: Vec<u8>) -> impl FnMut() {
    let text = URL_SAFE_NO_PAD.encode_to_string(&bytes);
    let mut room = vec![0; bytes.len()];
    move || {
        use base64_simd::AsOut;
        let read = URL_SAFE_NO_PAD.decode(black_box(text.as_bytes()), room.as_mut_slice().as_out());
        assert_eq!(read.ok().map(|read| read.last().copied()), Some(bytes.last().copied()));
    }
}

fn base64_write(bytes: Vec<u8>) -> impl FnMut() {
    let expected = URL_SAFE_NO_PAD.encode_to_string(&bytes);
    let mut room = vec![0; expected.len()];
    move || {
        use base64_simd::AsOut;
        let written = URL_SAFE_NO_PAD.encode(black_box(&bytes), room.as_mut_slice().as_out());
        assert_eq!(written.last(), expected.as_bytes().last());
    }
}

/// The zlib stream in our cookie.
fn deflate(payload: Payload) -> Vec<u8> {
    let cookie = ours::cookie(payload, Compression::AsFlask);
    let text = cookie.trim_start_matches('.').split('.').next().unwrap_or_default();
    URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64")
}

fn inflate_libdeflate(payload: Payload) -> impl FnMut() {
    let stream = deflate(payload);
    let mut room = vec![0; payload.json.len()];
    let mut state = libdeflater::Decompressor::new();
    move || {
        assert_eq!(state.zlib_decompress(black_box(&stream), &mut room), Ok(payload.json.len()));
        assert_eq!(room.last(), payload.json.as_bytes().last());
    }
}

fn deflate_libdeflate(payload: Payload) -> impl FnMut() {
    let mut state = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).expect("a level"));
    let mut room = vec![0; state.zlib_compress_bound(payload.json.len())];
    move || {
        let written = state.zlib_compress(black_box(payload.json.as_bytes()), &mut room);
        assert!(written.is_ok_and(|length| length < payload.json.len()));
    }
}

fn tree_sonic(payload: Payload) -> impl FnMut() {
    move || {
        let tree: sonic_rs::Value = sonic_rs::from_str(black_box(payload.json)).expect("JSON");
        assert_eq!(tree.as_object().map(|object| object.len()), Some(payload.keys));
        assert_eq!(tree[payload.last.0].as_str(), Some(payload.last.1));
    }
}

fn tree_serde(payload: Payload) -> impl FnMut() {
    move || {
        let tree: serde_json::Value = serde_json::from_str(black_box(payload.json)).expect("JSON");
        assert_eq!(tree.as_object().map(|object| object.len()), Some(payload.keys));
        assert_eq!(tree[payload.last.0].as_str(), Some(payload.last.1));
    }
}

/// Allocates each list, tuple and dict in its exact size, then frees all of them. A value and a key
/// take 16 bytes each.
fn own_containers(payload: Payload) -> impl FnMut() {
    let mut sizes = Vec::new();
    each_value(&Value::Dict(ours::dict(payload)), &mut |value| match value {
        Value::List(items) | Value::Tuple(items) => sizes.push(16 * items.len()),
        Value::Dict(dict) => sizes.push(32 * dict.len()),
        _ => {}
    });
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(sizes.len());
    move || {
        held.extend(sizes.iter().map(|&size| Vec::with_capacity(black_box(size))));
        assert_eq!(black_box(&held).len(), sizes.len());
        held.clear();
    }
}

/// Allocates and copies each text of over 22 bytes, then frees all of them.
fn own_texts(payload: Payload) -> impl FnMut() {
    let mut texts: Vec<String> = Vec::new();
    let mut add = |text: &Text| texts.extend((text.len() > 22).then(|| text.to_string()));
    each_value(&Value::Dict(ours::dict(payload)), &mut |value| match value {
        Value::Str(text) | Value::Markup(text) => add(text),
        Value::Dict(dict) => dict.keys().for_each(&mut add),
        _ => {}
    });
    let mut held: Vec<Box<str>> = Vec::with_capacity(texts.len());
    move || {
        held.extend(texts.iter().map(|text| Box::from(black_box(text.as_str()))));
        assert_eq!(black_box(&held).len(), texts.len());
        held.clear();
    }
}

fn each_value(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::List(items) | Value::Tuple(items) => items.iter().for_each(|item| each_value(item, visit)),
        Value::Dict(dict) => dict.values().for_each(|item| each_value(item, visit)),
        _ => {}
    }
}

fn text_sonic(payload: Payload) -> impl FnMut() {
    let tree: sonic_rs::Value = sonic_rs::from_str(payload.json).expect("JSON");
    let expected = sonic_rs::to_string(&tree).expect("JSON can be written");
    let mut out = Vec::with_capacity(2 * payload.json.len());
    move || {
        out.clear();
        sonic_rs::to_writer(&mut out, black_box(&tree)).expect("JSON can be written");
        assert_eq!(out.len(), expected.len());
    }
}

fn text_serde(payload: Payload) -> impl FnMut() {
    let tree: serde_json::Value = serde_json::from_str(payload.json).expect("JSON");
    let expected = serde_json::to_string(&tree).expect("JSON can be written");
    let mut out = Vec::with_capacity(2 * payload.json.len());
    move || {
        out.clear();
        serde_json::to_writer(&mut out, black_box(&tree)).expect("JSON can be written");
        assert_eq!(out.len(), expected.len());
    }
}

/// Skips to the key. It builds nothing, and checks nothing after the key.
fn key_sonic(payload: Payload, key: &'static str) -> impl FnMut() {
    move || {
        let value = sonic_rs::get(black_box(payload.json), [key]).expect("the key exists");
        assert!(!value.as_raw_str().is_empty());
    }
}
