//! Reading `Cookie` headers: usual ones, nasty ones, and properties of any octets.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::cookie::{parse, values};

fn all(header: &[u8]) -> Vec<(String, String)> {
    parse(header).map(|(name, value)| (name.into(), value.into())).collect()
}

fn sessions(header: &str) -> Vec<Cow<'_, str>> {
    values([header.as_bytes()], "session").collect()
}

#[test]
fn all_cookies_of_a_name_are_returned() {
    assert_eq!(sessions("session=bad; session=good"), ["bad", "good"]);
    assert_eq!(sessions("session=; session=good"), ["", "good"]);
    assert_eq!(sessions("session; session=good"), ["", "good"]);
}

#[test]
fn quotes_and_escapes_of_a_value_are_removed() {
    assert_eq!(sessions(r#"session="a.b.c""#), ["a.b.c"]);
    assert_eq!(sessions(r#"session="a\.b\056c""#), ["a.b.c"]);
}

#[test]
fn spaces_and_tabs_around_pieces_are_ignored() {
    assert_eq!(sessions("session = v ;"), ["v"]);
    assert_eq!(sessions("\t session\t=\t v \t; x=1"), ["v"]);
}

#[test]
fn names_are_compared_octet_by_octet() {
    assert_eq!(sessions("Session=v; SESSION=v; session=a%2Eb"), ["a%2Eb"]);
}

#[test]
fn names_with_invisible_octets_are_other_names() {
    for header in ["\u{a0}session=v", "\u{2000}session=v", "session\u{a0}=v", "\0session=v", "\u{b}session=v"]
    {
        assert_eq!(sessions(header), [""; 0], "{header:?}");
    }
    assert_eq!(values([&b"\xa0__Host-s=v; __hOsT-s=w"[..]], "__Host-s").count(), 0);
}

#[test]
fn commas_do_not_separate_cookies() {
    assert_eq!(all(b"x=1,session=v"), [("x".into(), "1,session=v".into())]);
    assert_eq!(all(b"x=1, session=v"), []); // a blank in the value, see Q6
}

#[test]
fn a_blank_in_a_value_drops_the_cookie() {
    for dropped in
        ["session=x y", "session=x\ty", "session=\"x\"y", "session=\"x", "session=\"abc\\\"", "session=x\"y"]
    {
        assert_eq!(sessions(&format!("{dropped}; session=good")), ["good"], "{dropped:?}");
    }
}

#[test]
fn names_with_blanks_or_quotes_are_dropped() {
    assert_eq!(all(b"a session=1; \"session\"=2; ses\"sion=3; b=4"), [("b".into(), "4".into())]);
}

#[test]
fn reading_continues_after_an_open_quote() {
    assert_eq!(sessions(r#"x="open; session=v"#), ["v"]);
    assert_eq!(sessions(r#"x="a; session=inside"; session=v"#), ["v"]);
}

#[test]
fn octal_escapes_are_octets_of_utf8() {
    assert_eq!(sessions(r#"session="\303\251""#), ["é"]);
    assert_eq!(sessions(r#"session="\377\000""#), ["\u{fffd}\0"]);
    assert_eq!(sessions(r#"session="\400\8\x""#), ["4008x"]);
}

#[test]
fn high_octets_stay_latin_1() {
    assert_eq!(all("é=é".as_bytes()), [("Ã©".into(), "Ã©".into())]);
    assert_eq!(all(b"a=\xe9; b=\"\xe9\""), [("a".into(), "é".into()), ("b".into(), "é".into())]);
}

#[test]
fn header_lines_are_joined_by_a_semicolon() {
    let lines: [&[u8]; 3] = [b"a=b", b"session=v", b"session=bad;"];
    assert_eq!(values(lines, "session").collect::<Vec<_>>(), ["v", "bad"]);
}

#[test]
fn quoted_values_may_continue_on_the_next_line() {
    let lines: [&[u8]; 4] = [b"b=1; session=\"x", b"y", b"z\"", b"session=w"];
    assert_eq!(values(lines, "session").collect::<Vec<_>>(), ["x; y; z", "w"]);
    let hidden: [&[u8]; 2] = [b"b=\"x", b"session=v; c=\""];
    assert_eq!(values(hidden, "session").count(), 0);
    let never_closed: [&[u8]; 3] = [b"b=\"x", b"session=\"v", b"session=w"];
    assert_eq!(values(never_closed, "session").collect::<Vec<_>>(), ["w"]);
}

#[test]
fn empty_values_are_returned() {
    assert_eq!(sessions("session="), [""]);
    assert_eq!(sessions("session=\"\""), [""]);
    assert_eq!(sessions("session"), [""]);
}

#[test]
fn plain_ascii_values_are_borrowed() {
    for header in ["session=eyJ9.x.y", "a=1; session = \"eyJ9.x.y\" ; b=2"] {
        assert!(values([header.as_bytes()], "session").all(|v| matches!(v, Cow::Borrowed("eyJ9.x.y"))));
        assert_eq!(sessions(header).len(), 1);
    }
}

#[test]
fn impossible_names_have_no_values() {
    for name in ["", " ", "a b", "a=b", "a;b", "a\"b", "a\tb"] {
        assert_eq!(values([&b"a b=1; a=b; a;b; a\"b; =1; a\tb"[..]], name).count(), 0, "{name:?}");
    }
}

#[test]
fn nothing_of_the_header_shows_in_debug_output() {
    assert_eq!(format!("{:?}", parse(b"session=secret")), "Cookies(..)");
}

/// A quadratic reader would take hours here.
#[test]
fn repeated_odd_octets_are_read_in_linear_time() {
    for unit in
        ["\"", "\\", ";", " ", "=", "a;", "\\\"", "a=\"", "=\"\\;a", "a=\"\\\";", "a=\";", "a=\";b\"c;"]
    {
        let body = unit.repeat((512 << 10) / unit.len());
        for header in [body.clone(), format!("a=\"{body}"), format!("a={body}")] {
            let header = header.as_bytes();
            assert_eq!(values([header], "a").count(), parse(header).filter(|(name, _)| name == "a").count());
            let _ = values(header.chunks(7), "a").count();
        }
    }
}

#[test]
fn nasty_headers_read_as_werkzeug_reads_them() {
    for (header, want) in NASTY {
        let got = all(header);
        let got: Vec<_> = got.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(&got, want, "{}", header.escape_ascii());
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_without_panic(header: Vec<u8>, name: String) {
        let _ = parse(&header).count();
        let _ = values([&*header], &name).count();
        let _ = values(header.chunks(3), &name).count();
    }

    #[test]
    fn values_and_parse_agree(lines in prop::collection::vec(nasty(), 0..4)) {
        let joined = lines.join(&b"; "[..]);
        for name in ["a", "b", "ab", "0", "%", ",", "\\"] {
            let got: Vec<_> = values(lines.iter().map(|line| &**line), name).collect();
            let want: Vec<_> = parse(&joined).filter(|(found, _)| found == name).map(|(_, value)| value).collect();
            prop_assert_eq!(got, want);
        }
    }
}

fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let octets = *b"aaabb0127%==;;;\"\"\"\\\\, \t\n\x00\x7f\xe9\xc3\xa9";
    prop::collection::vec(prop::sample::select(octets.to_vec()), 0..40)
}

type Expected = (&'static [u8], &'static [(&'static str, &'static str)]);

/// Printed by `werkzeug.sansio.http.parse_cookie` of Werkzeug 3.1.9 on CPython 3.11, with the
/// header as latin-1 text.
#[rustfmt::skip]
const NASTY: &[Expected] = &[
    (b"a", &[("a", "")]),
    (b"a=", &[("a", "")]),
    (b"=a", &[]),
    (b"=", &[]),
    (b";;", &[]),
    (b" ;a", &[("a", "")]),
    (b";a=b", &[("a", "b")]),
    (b"a=\"\"", &[("a", "")]),
    (b"a=\"", &[]),
    (b"\"", &[]),
    (b"a=\"x", &[]),
    (b"a=\"x;b=1", &[("b", "1")]),
    (b"a=\"x;y\";c=1", &[("a", "x;y"), ("c", "1")]),
    (b"a=\"x\"y", &[]),
    (b"a=x\"y", &[]),
    (b"a=x y", &[]),
    (b"a=x\ty", &[]),
    (b"a b=c", &[]),
    (b"a\tb=c", &[]),
    (b"x y=1;b=2", &[("b", "2")]),
    (b"\"a\"=1;b=2", &[("b", "2")]),
    (b" a\t=\t b \t; c=d", &[("a", "b"), ("c", "d")]),
    (b"a==b", &[("a", "=b")]),
    (b"a=b=c", &[("a", "b=c")]),
    (b"a;b", &[("a", ""), ("b", "")]),
    (b"a b;c", &[("c", "")]),
    (b"a=\"\\\"", &[]),
    (b"a=\"\\\"\"", &[("a", "\"")]),
    (b"a=\"\\\\\"", &[("a", "\\")]),
    (b"a=\"\\", &[]),
    (b"a=\"\\\n\";b=1", &[("b", "1")]),
    (b"a=\"x\ny\"", &[("a", "x\ny")]),
    (b"a\n=b\r\n;c", &[("a\n", "b\r\n"), ("c", "")]),
    (b"a=\"\\400\"", &[("a", "400")]),
    (b"a=\"\\8\"", &[("a", "8")]),
    (b"a=\"\\37\"", &[("a", "37")]),
    (b"a=\"\\0561\"", &[("a", ".1")]),
    (b"a=\"\\303\\251\"", &[("a", "\u{e9}")]),
    (b"a=\"\\351\"", &[("a", "\u{fffd}")]),
    (b"a=\"\\355\\240\\200\"", &[("a", "\u{fffd}\u{fffd}\u{fffd}")]),
    (b"a=\"\\\xe9\xff\"", &[("a", "\u{e9}\u{ff}")]),
    (b"a=\"\\303\xe9\"", &[("a", "\u{fffd}\u{e9}")]),
    (b"a=\xc3\xa9", &[("a", "\u{c3}\u{a9}")]),
    (b"\xa0a=\xa0", &[("\u{a0}a", "\u{a0}")]),
    (b"\x85a=b", &[("\u{85}a", "b")]),
    (b"a\x00=\x00", &[("a\x00", "\x00")]),
    (b"a=\x7f", &[("a", "\x7f")]),
    (b"a=1,b=2", &[("a", "1,b=2")]),
    (b"a=%2E", &[("a", "%2E")]),
    (b"a=\"x\" ; b=1", &[("a", "x"), ("b", "1")]),
    (b"a=\"x\" y;b=1", &[("b", "1")]),
    (b"a=\";\";\"b\"=\"c\";d", &[("a", ";"), ("d", "")]),
    (b"a=\";a=\\\";a=1", &[("a", "1")]),
    (b"a=\"\"\"\"", &[]),
    (b"$Version=1; a=b; $Path=/", &[("$Version", "1"), ("a", "b"), ("$Path", "/")]),
    (b"a=b;a=;a=c", &[("a", "b"), ("a", ""), ("a", "c")]),
    (b"=__Host-x=bad; y=1", &[("y", "1")]),
];
