//! The logic of a page for trying out cookies: one function from JSON to JSON, without a clock, for a
//! server and for WebAssembly.
//!
//! The session travels as text, because it may hold `NaN`, which JavaScript's `JSON.parse` refuses.

use core::time::Duration;

use hipflask_core::codec::{DEFAULT_LEEWAY, OpenError, Opened, SessionCodec};
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{KeyRing, SecretKey};
use hipflask_core::tagged::{self, KeyOrder};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};

use crate::advice::{Wording, facts, refused, sizes};
use crate::header::session_cookie;
use crate::layout;
use crate::times::{Span, date, distance, span};

/// Answers a request of the page.
///
/// The request is a JSON object: `action` (`decode`, `verify` or `sign`), `now` in seconds since
/// 1970, `cookie` or `session`, and for the last two `keys` (a list, the current key first), `salt`,
/// `digest`, `derivation`, `lifetime` (`31d`, `none`) and `leeway`.
///
/// The answer has `ok`, `title`, `rows` (pairs of a label and a text), `heading` and `points`. After
/// `decode` and `verify` it also has `session` (JSON as text) and `tags`, after `sign` `cookie`.
#[must_use]
pub fn answer(request: &str) -> String {
    let shown = match tagged::from_str_plain(request) {
        Ok(Value::Dict(fields)) => Request { fields: &fields }.answer().unwrap_or_else(Shown::problem),
        _ => Shown::problem("the request is not a JSON object".to_owned()),
    };
    // Only nesting can fail, and an answer does not nest.
    tagged::to_string(&Value::Dict(shown.into_dict())).unwrap_or_default()
}

/// The fields of a request.
struct Request<'r> {
    fields: &'r Dict,
}

impl Request<'_> {
    fn answer(&self) -> Result<Shown, String> {
        match self.text("action") {
            "decode" => Ok(self.decode()),
            "verify" => self.verify(),
            "sign" => self.sign(),
            other => Err(format!("unknown action {other:?}; use decode, verify or sign")),
        }
    }

    fn decode(&self) -> Shown {
        let value = session_cookie(self.text("cookie").trim());
        let claim = match SessionCodec::open_unverified(value.as_bytes()) {
            Ok(claim) => claim,
            Err(error) => return Shown::refusal(value, &error, None),
        };
        let mut shown = Shown::titled("Not verified: anybody can write such a cookie");
        match claim.issued_at {
            Some(at) => shown.row("issued", format!("{}, {}", date(at), distance(at, self.now()))),
            None => shown.row("issued", "the timestamp cannot be read".to_owned()),
        }
        shown.rows.extend(sizes(value));
        shown.show_session(value, &claim.session)
    }

    fn verify(&self) -> Result<Shown, String> {
        let value = session_cookie(self.text("cookie").trim());
        let codec = self.codec()?;
        match codec.open(value.as_bytes(), self.now()) {
            Ok(opened) => Ok(self.show_opened(value, &opened, &codec)),
            Err(error) => Ok(Shown::refusal(value, &error, Some(self.parsed("digest", "sha1")?))),
        }
    }

    fn show_opened(&self, value: &str, opened: &Opened, codec: &SessionCodec) -> Shown {
        let mut shown = Shown::titled("Valid");
        let key = match opened.key {
            0 => "signed with the secret key".to_owned(),
            older => format!(
                "signed with older key {older}: when the app saves the session, it signs with the secret key"
            ),
        };
        shown.row("key", key);
        let (at, now) = (opened.issued_at, self.now());
        shown.row("issued", format!("{}, {}", date(at), distance(at, now)));
        let expiry = codec.lifetime().map(|lifetime| at.saturating_add(lifetime));
        let left = |end: UnixTime| span(end.as_secs().saturating_sub(now.as_secs()));
        let expiry = expiry.map(|end| format!("{}, {} from now", date(end), left(end)));
        shown.row("expires", expiry.unwrap_or_else(|| "never (the lifetime is `none`)".to_owned()));
        shown.rows.extend(sizes(value));
        self.warn(&mut shown);
        shown.show_session(value, &opened.session)
    }

    fn sign(&self) -> Result<Shown, String> {
        let codec = self.codec()?;
        let signed = SessionDict::from_json(self.text("session")).and_then(|session| {
            let cookie = codec.sign(&session, self.now())?;
            Ok((session, cookie))
        });
        let (session, cookie) = signed.map_err(|error| {
            format!("this is not a session: {error}; it is a JSON object such as {{\"user\": \"ada\"}}")
        })?;
        let mut shown = Shown::titled("Signed");
        shown.row("issued", date(self.now()));
        shown.rows.extend(sizes(&cookie));
        shown.rows.extend(facts(&session));
        self.warn(&mut shown);
        shown.cookie = Some(cookie);
        Ok(shown)
    }

    fn codec(&self) -> Result<SessionCodec, String> {
        let mut keys = self.keys();
        let first = keys.next().filter(|key| !key.is_empty()).ok_or("enter the app's secret key")?;
        let ring = keys.filter(|key| !key.is_empty()).fold(KeyRing::new(first), KeyRing::accept);
        let lifetime = match self.text_or("lifetime", "31d") {
            "none" => None,
            text => Some(seconds("lifetime", text)?),
        };
        let leeway = match self.text("leeway") {
            "" => DEFAULT_LEEWAY,
            text => seconds("leeway", text)?,
        };
        SessionCodec::builder(ring)
            .salt(self.text_or("salt", "cookie-session"))
            .digest(self.parsed("digest", "sha1")?)
            .derivation(self.parsed("derivation", "hmac")?)
            .lifetime(lifetime)
            .leeway(leeway)
            .build()
            .map_err(|error| error.to_string())
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.fields.get("keys").and_then(Value::as_items).unwrap_or_default();
        keys.iter().filter_map(Value::as_str)
    }

    fn warn(&self, shown: &mut Shown) {
        let weakness = self.keys().next().and_then(|key| SecretKey::from(key).weakness());
        if let Some(weakness) = weakness {
            shown.row("warning", format!("SECRET_KEY {weakness}"));
        }
    }

    fn now(&self) -> UnixTime {
        let now = self.fields.get("now").and_then(Value::as_i64);
        UnixTime::from_secs(now.and_then(|now| u64::try_from(now).ok()).unwrap_or(0))
    }

    fn text(&self, name: &str) -> &str {
        self.text_or(name, "")
    }

    fn text_or<'t>(&'t self, name: &str, default: &'t str) -> &'t str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or(default)
    }

    fn parsed<T: core::str::FromStr<Err: ToString>>(&self, name: &str, default: &str) -> Result<T, String> {
        self.text_or(name, default).parse().map_err(|error: T::Err| error.to_string())
    }
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    text.parse().map(Span::duration).map_err(|error| format!("the {name} is {text:?}: {error}"))
}

/// The parts of the answer that the page shows.
#[derive(Default)]
struct Shown {
    is_good: bool,
    title: String,
    rows: Vec<(&'static str, String)>,
    heading: &'static str,
    points: Vec<String>,
    session: Option<String>,
    tags: Vec<&'static str>,
    cookie: Option<String>,
}

impl Shown {
    fn titled(title: &str) -> Self {
        Self { is_good: true, title: title.to_owned(), ..Self::default() }
    }

    fn problem(text: String) -> Self {
        Self { title: "This does not work".to_owned(), rows: vec![("why", text)], ..Self::default() }
    }

    fn refusal(value: &str, error: &OpenError, digest: Option<hipflask_core::signing::Digest>) -> Self {
        let refusal = refused(value, error, digest, Wording::PAGE);
        Self {
            title: refusal.title.to_owned(),
            rows: refusal.rows,
            heading: refusal.heading,
            points: refusal.points,
            ..Self::default()
        }
    }

    fn row(&mut self, label: &'static str, text: String) {
        self.rows.push((label, text));
    }

    fn show_session(mut self, value: &str, session: &SessionDict) -> Self {
        let json = match session.to_json(KeyOrder::Insertion) {
            Ok(json) => json,
            Err(error) => return Self::refusal(value, &OpenError::Json(error), None),
        };
        self.rows.extend(facts(session));
        let mut text = String::new();
        layout::write(&mut text, &String::from_utf8_lossy(&json), &|_, word| word.to_owned());
        self.session = Some(text);
        self.tags = layout::tags(&json);
        self
    }

    fn into_dict(self) -> Dict {
        let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::from).collect());
        let row = |(label, text): (&str, String)| Value::List(vec![Value::from(label), Value::from(text)]);
        let mut dict = Dict::from([
            ("ok", Value::Bool(self.is_good)),
            ("title", Value::from(self.title)),
            ("rows", Value::List(self.rows.into_iter().map(row).collect())),
            ("heading", Value::from(self.heading)),
            ("points", texts(self.points)),
            ("tags", texts(self.tags.into_iter().map(str::to_owned).collect())),
        ]);
        let texts = [("session", self.session), ("cookie", self.cookie)];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            dict.insert(name, Value::from(text));
        }
        dict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &str = "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74";

    /// The answer to `fields` without the braces, at the second in which [`COOKIE`] was signed.
    fn ask(fields: &str) -> Dict {
        let answer = answer(&format!("{{\"now\": 1700000000, {fields}}}"));
        match tagged::from_str_plain(&answer).unwrap() {
            Value::Dict(dict) => dict,
            other => panic!("{other:?}"),
        }
    }

    fn text<'d>(answer: &'d Dict, name: &str) -> &'d str {
        answer.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn row(answer: &Dict, label: &str) -> String {
        let rows = answer.get("rows").and_then(Value::as_items).unwrap();
        let found = rows.iter().map(|row| row.as_items().unwrap()).find(|row| row[0].as_str() == Some(label));
        found.and_then(|row| row[1].as_str()).unwrap_or_default().to_owned()
    }

    #[test]
    fn verified_cookie_names_its_key_and_times() {
        let answer = ask(&format!(
            "\"action\": \"verify\", \"cookie\": \"Set-Cookie: session={COOKIE}; Path=/\", \"keys\": [\"new\", \"\", \"k\"]"
        ));
        assert_eq!(text(&answer, "title"), "Valid");
        assert!(row(&answer, "key").starts_with("signed with older key 1"), "{answer:?}");
        assert_eq!(row(&answer, "issued"), "2023-11-14 22:13:20 UTC, now");
        assert_eq!(row(&answer, "expires"), "2023-12-15 22:13:20 UTC, 31 days from now");
        assert_eq!(text(&answer, "session"), "{\n  \"a\": 1\n}");
    }

    #[test]
    fn refusals_name_the_fields_of_the_page() {
        let verify = |more: &str| ask(&format!("\"action\": \"verify\", \"cookie\": \"{COOKIE}\", {more}"));
        let answer = verify("\"keys\": [\"other\"]");
        assert_eq!(text(&answer, "title"), "Refused: bad signature");
        let points = format!("{:?}", answer.get("points"));
        assert!(points.contains("salt, derivation and digest") && !points.contains("--"), "{points}");
        let answer = verify("\"keys\": [\"k\"], \"now\": 1800000000");
        assert!(row(&answer, "expired").contains("the lifetime 2678400"), "{answer:?}");
        assert_eq!(row(&verify("\"keys\": []"), "why"), "enter the app's secret key");
        assert!(row(&verify("\"keys\": [\"k\"], \"digest\": \"md5\""), "why").contains("sha1, sha256"));
        assert!(row(&verify("\"keys\": [\"k\"], \"lifetime\": \"1w\""), "why").contains("the lifetime is"));
    }

    #[test]
    fn nan_and_tags_survive_as_text() {
        let answer = ask(
            "\"action\": \"sign\", \"keys\": [\"k\"], \"session\": \"{\\\"n\\\": NaN, \\\"t\\\": {\\\" t\\\": [1, 2]}}\"",
        );
        assert!(row(&answer, "warning").starts_with("SECRET_KEY holds a key"), "{answer:?}");
        let again = ask(&format!("\"action\": \"decode\", \"cookie\": \"{}\"", text(&answer, "cookie")));
        assert_eq!(text(&again, "session"), "{\n  \"n\": NaN,\n  \"t\": {\" t\": [1, 2]}\n}");
        assert_eq!(again.get("tags"), Some(&Value::List(vec![Value::from("\" t\" tuple")])));
    }

    #[test]
    fn no_request_makes_it_panic() {
        for request in
            ["", "[]", "{", "{}", "{\"action\": 1}", "{\"action\": \"verify\", \"keys\": 5}", "\u{0}"]
        {
            assert!(answer(request).starts_with("{\"heading\":\"\",\"ok\":false"), "{}", answer(request));
        }
        assert_eq!(
            text(&ask("\"action\": \"sign\", \"keys\": [\"k\"], \"session\": \"5\""), "title"),
            "This does not work"
        );
        assert_eq!(text(&ask("\"action\": \"decode\", \"cookie\": \"x\""), "title"), "Refused: malformed");
    }
}
