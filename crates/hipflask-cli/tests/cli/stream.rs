//! `-`: one line in, one line out, in order, while it comes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use crate::support::{COOKIE, VERIFY, command, run_with_input};

const GOOD: &str = "{\"ok\":true,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n";
const MALFORMED: &str = "{\"ok\":false,\"reason\":\"malformed\"}\n";
const BAD_SIGNATURE: &str = "{\"ok\":false,\"reason\":\"bad_signature\"}\n";

fn verify_lines(input: &[u8]) -> (Option<i32>, String) {
    let ran = run_with_input(&[&VERIFY[..], &["-"]].concat(), input);
    (ran.code, ran.out)
}

#[test]
fn every_line_is_processed_in_order() {
    let input = format!("{COOKIE}\n\nx.y.z\n{COOKIE}");
    assert_eq!(verify_lines(input.as_bytes()), (Some(1), [GOOD, MALFORMED, BAD_SIGNATURE, GOOD].concat()));
    assert_eq!(verify_lines(format!("{COOKIE}\r\n").as_bytes()), (Some(0), GOOD.to_owned()));
    assert_eq!(verify_lines(b""), (Some(0), String::new()));
}

#[test]
fn another_program_can_ask_line_by_line() {
    let mut child = command(&[&VERIFY[..], &["-"]].concat()).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..50 {
        for (question, answer) in [(COOKIE, GOOD), ("nothing", MALFORMED)] {
            // In two writes: an answer must not come for half a line, and must come for a whole one.
            let (front, back) = question.split_at(3);
            stdin.write_all(front.as_bytes()).unwrap();
            stdin.write_all(format!("{back}\n").as_bytes()).unwrap();
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert_eq!(line, answer);
        }
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_line_of_ten_megabytes_is_malformed() {
    let mut input = vec![b'A'; 10_000_000];
    input.extend_from_slice(format!("\n{COOKIE}\n").as_bytes());
    assert_eq!(verify_lines(&input), (Some(1), [MALFORMED, GOOD].concat()));
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::new();
    for _ in 0..40_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes()[3..]);
    }
    bytes.push(b'\n');
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
    for arguments in [
        &["cookie", "decode", "-"][..],
        &["cookie", "verify", "--key-env", "GOOD_KEY", "-"],
        &["cookie", "sign", "--key-env", "GOOD_KEY", "-"],
    ] {
        let ran = run_with_input(arguments, &bytes);
        assert_eq!((ran.code, &*ran.err), (Some(1), ""));
        assert_eq!(ran.out.lines().count(), lines);
        for line in ran.out.lines() {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["ok"], false);
        }
    }
}

#[test]
fn bad_sessions_in_a_stream_say_why() {
    let arguments = ["cookie", "sign", "--key-env", "FLASK_KEY", "--at", "1700000000", "-"];
    let ran = run_with_input(&arguments, b"{\"a\":1}\n{\"a\":\n\xff\n{\"a\": 1}\n");
    let good = format!("{{\"ok\":true,\"cookie\":\"{COOKIE}\"}}\n");
    let bad =
        "{\"ok\":false,\"reason\":\"bad_payload\",\"detail\":\"the JSON ends too early (at byte 5)\"}\n";
    assert_eq!((ran.code, ran.out), (Some(1), [&good, bad, MALFORMED, &good].concat()));
}

#[test]
fn cookies_are_decoded_line_by_line() {
    let ran = run_with_input(&["cookie", "decode", "-"], format!("{COOKIE}\nx\n").as_bytes());
    let shown = "{\"ok\":true,\"verified\":false,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n";
    assert_eq!((ran.code, ran.out), (Some(1), [shown, MALFORMED].concat()));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(&["cookie", "decode", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let many = format!("{COOKIE}\n").repeat(20_000);
    let writer = std::thread::spawn(move || while stdin.write_all(many.as_bytes()).is_ok() {});
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    writer.join().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(complaint, "");
}

#[test]
fn streams_have_no_page_for_people() {
    let ran = run_with_input(&["cookie", "decode", "--human", "-"], b"x\n");
    assert_eq!((ran.code, &*ran.out), (Some(2), ""));
    assert!(ran.err.starts_with("error: --human shows one value"), "{}", ran.err);
}
