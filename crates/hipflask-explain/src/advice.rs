//! Explains to people why a cookie is refused, and what to do.

use core::time::Duration;

use hipflask_core::codec::OpenError;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Digest, PayloadError, SignatureError, split_unverified};
use hipflask_core::time::UnixTime;

use crate::times::{date, span};

/// The explanation of a refused cookie. Shows nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The reason, in a few words.
    pub title: &'static str,
    /// Facts: a label and a text each. A row without a label continues the one before.
    pub rows: Vec<(&'static str, String)>,
    /// The heading of the points.
    pub heading: &'static str,
    /// Possible causes, or things to do.
    pub points: Vec<String>,
}

/// The names of the settings, where people find them.
#[derive(Debug, Clone, Copy)]
pub struct Wording {
    max_age: &'static str,
    any_age: &'static str,
    leeway: &'static str,
    digest: &'static str,
    old_keys: &'static str,
    signing: &'static str,
}

impl Wording {
    /// The options of the command.
    pub const COMMAND: Self = Self {
        max_age: "--max-age",
        any_age: "`--max-age none`",
        leeway: "--leeway",
        digest: "--digest",
        old_keys: "pass old keys with --fallback-env",
        signing: "--salt, --derivation, --digest",
    };
    /// The fields of the page.
    pub const PAGE: Self = Self {
        max_age: "the lifetime",
        any_age: "`none`",
        leeway: "the leeway",
        digest: "the digest",
        old_keys: "add older keys",
        signing: "salt, derivation and digest",
    };
}

/// Explains why `value` was refused. `digest` is that of the signature, if it was checked.
#[must_use]
pub fn refused(value: &str, error: &OpenError, digest: Option<Digest>, wording: Wording) -> Refusal {
    match error {
        OpenError::Signature(SignatureError::BadSignature { issued_at, .. }) => {
            bad_signature(value, *issued_at, digest.unwrap_or_default(), wording)
        }
        OpenError::Signature(SignatureError::Expired { age, max_age, issued_at }) => {
            expired(age.as_secs(), *max_age, *issued_at, wording)
        }
        OpenError::Signature(SignatureError::Future { ahead, issued_at }) => {
            from_the_future(ahead.as_secs(), *issued_at, wording)
        }
        OpenError::Signature(_) => malformed(value),
        other => without_session(value, other, digest),
    }
}

/// Returns the sizes of a cookie's parts, and a warning if it is too large for a browser.
#[must_use]
pub fn sizes(value: &str) -> Vec<(&'static str, String)> {
    let Some(parts) = split_unverified(value.as_bytes(), b'.') else { return Vec::new() };
    let timestamp = parts.timestamp_text.map_or(0, <[u8]>::len);
    let (payload, signature) = (parts.value.len(), parts.signature.len());
    let deflated = if parts.value.starts_with(b".") { " (deflated)" } else { "" };
    let sizes = format!(
        "{} bytes: payload {payload}{deflated}, timestamp {timestamp}, signature {signature}",
        value.len()
    );
    let mut rows = vec![("size", sizes)];
    if value.len() > BROWSERS_KEEP {
        let warning = "Browsers drop a cookie of more than 4093 bytes, name and attributes included.";
        rows.push(("", warning.to_owned()));
    }
    rows
}

/// Returns whether the browser keeps the cookie of this session, and its number of keys.
#[must_use]
pub fn facts(session: &SessionDict) -> Vec<(&'static str, String)> {
    let permanent = match (session.contains("_permanent"), session.is_permanent()) {
        (_, true) => "yes (_permanent): the browser keeps the cookie",
        (true, false) => "no (_permanent is false): expires with the browser",
        (false, false) => "no: expires with the browser",
    };
    let keys = session.len();
    let keys = format!("{keys} {}", if keys == 1 { "key" } else { "keys" });
    vec![("permanent", permanent.to_owned()), ("session", keys)]
}

fn bad_signature(value: &str, issued_at: Option<UnixTime>, digest: Digest, wording: Wording) -> Refusal {
    let mut rows = vec![("why", "it was not signed with any of these keys".to_owned())];
    rows.extend(issued_at.map(|at| ("issued", format!("{}, not verified", date(at)))));
    rows.extend(sizes(value));
    let points = signature_causes(value, digest, wording);
    Refusal { title: "Refused: bad signature", rows, heading: CAUSES, points }
}

fn expired(age: u64, max_age: Duration, issued_at: UnixTime, wording: Wording) -> Refusal {
    let Wording { max_age: option, any_age, .. } = wording;
    let (max, end) = (max_age.as_secs(), date(issued_at.saturating_add(max_age)));
    let rows = vec![
        ("issued", format!("{}, {} ago", date(issued_at), span(age))),
        ("expired", format!("{end} ({option} {max}: {})", span(max))),
    ];
    let points = vec![
        format!("Key and value are right. To show the session, use {option} {age} or more, or {any_age}"),
        format!("If the app has another PERMANENT_SESSION_LIFETIME, set {option} to it"),
    ];
    Refusal { title: "Refused: expired", rows, heading: TO_DO, points }
}

fn from_the_future(ahead: u64, issued_at: UnixTime, wording: Wording) -> Refusal {
    let leeway = wording.leeway;
    let rows = vec![
        ("issued", date(issued_at)),
        ("why", format!("that is {} ahead of the clock, more than {leeway} allows", span(ahead))),
    ];
    let points = vec![
        "Synchronize the clocks of the two machines (NTP)".to_owned(),
        format!("Key and value are right. To show the session, use {leeway} {ahead} or more"),
    ];
    Refusal { title: "Refused: from the future", rows, heading: TO_DO, points }
}

fn malformed(value: &str) -> Refusal {
    let rows = vec![("why", "a session cookie has the form `payload.timestamp.signature`".to_owned())];
    let mut points = spelling_causes(value);
    points.push("It may be cut off: compare its end with the original".to_owned());
    points.push(
        "It may be the id of a session in a store (Flask-Session), which does not contain data".to_owned(),
    );
    Refusal { title: "Refused: malformed", rows, heading: CAUSES, points }
}

fn without_session(value: &str, error: &OpenError, digest: Option<Digest>) -> Refusal {
    let mut rows = vec![("why", unreadable(error))];
    rows.extend(sizes(value));
    let mut points = spelling_causes(value);
    if digest.is_none() {
        points.push("It may be cut off or changed: the signature was not checked".to_owned());
    }
    points.push("It may be something else, such as a link in a mail, or from another framework".to_owned());
    Refusal { title: "Refused: the payload is not a session", rows, heading: CAUSES, points }
}

/// Describes a bad payload. The texts of the library claim that the signature is good, which may
/// not have been checked.
fn unreadable(error: &OpenError) -> String {
    match error {
        OpenError::Payload(PayloadError::NotBase64) => "the payload is not base64".to_owned(),
        OpenError::Payload(PayloadError::NotZlib) => {
            "the payload is marked as deflated, but is not a complete zlib stream".to_owned()
        }
        OpenError::Json(error) => format!("the payload is not the JSON of a session: {error}"),
        other => other.to_string(),
    }
}

fn signature_causes(value: &str, digest: Digest, wording: Wording) -> Vec<String> {
    let mut causes = spelling_causes(value);
    let length = split_unverified(value.as_bytes(), b'.').map_or(0, |parts| parts.signature.len());
    let fitting = [Digest::Sha1, Digest::Sha256, Digest::Sha512]
        .into_iter()
        .find(|digest| characters(*digest) == length);
    match fitting {
        Some(fitting) if fitting != digest => {
            let option = wording.digest;
            causes.push(format!("The signature has the length of {fitting}: try {option} {fitting}"));
        }
        None if causes.is_empty() => {
            let wanted = characters(digest);
            causes.push(format!(
                "The signature has {length} characters, but {digest} makes {wanted}: the value is cut off, or something was added"
            ));
        }
        _ => {}
    }
    let old_keys = wording.old_keys;
    causes.push(format!(
        "Another key: compare it with the app's SECRET_KEY, including quotes and spaces; {old_keys}"
    ));
    causes.push(format!("The app has its own session interface: see {}", wording.signing));
    causes.push("The value was changed after it was signed".to_owned());
    causes
}

/// Returns the causes that the value itself shows.
fn spelling_causes(value: &str) -> Vec<String> {
    let checks = [
        (value.starts_with(['"', '\'']), "The value is in quotes: remove them"),
        (
            value.contains(['=', ';']),
            "It contains a `=` or `;`: pass only the text between `session=` and the next `;`",
        ),
        (value.contains('%'), "It contains a `%`: it is URL-encoded, so decode it first"),
        (
            value.contains(char::is_whitespace),
            "It contains white space: it was broken into lines, or too much was copied",
        ),
        (
            value.starts_with("eyJ") && value.matches('.').count() == 2 && looks_like_jwt(value),
            "It looks like a JSON Web Token, which is not a session cookie",
        ),
    ];
    checks.into_iter().filter(|(applies, _)| *applies).map(|(_, cause)| cause.to_owned()).collect()
}

/// Recognizes a JSON Web Token: its middle is an object, where a session cookie has a timestamp.
fn looks_like_jwt(value: &str) -> bool {
    value.split('.').nth(1).is_some_and(|middle| middle.starts_with("eyJ"))
}

/// The length of a signature in base64.
const fn characters(digest: Digest) -> usize {
    (digest.len() * 8).div_ceil(6)
}

const CAUSES: &str = "Possible causes";

const TO_DO: &str = "What to do";

/// The largest cookie that browsers keep, in bytes. Flask warns of larger ones.
const BROWSERS_KEEP: usize = 4093;
