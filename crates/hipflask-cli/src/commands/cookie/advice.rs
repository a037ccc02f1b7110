//! Explains to people why a cookie is refused, and what to do.

use std::time::Duration;

use hipflask_core::codec::OpenError;
use hipflask_core::signing::{Digest, PayloadError, SignatureError, split_unverified};
use hipflask_core::time::UnixTime;

use super::size_row;
use crate::clock::{date, span};
use crate::human::Page;

/// Explains why `value` was refused. `digest` is that of the signature, if it was checked. Does not
/// show the value.
pub(crate) fn refused(page: &mut Page, value: &str, error: &OpenError, digest: Option<Digest>) {
    match error {
        OpenError::Signature(SignatureError::BadSignature { issued_at, .. }) => {
            page.bad("Refused: bad signature");
            page.row("why", "it was not signed with any of these keys");
            if let Some(at) = issued_at {
                page.row("issued", &format!("{}, not verified", date(*at)));
            }
            size_row(page, value);
            page.points("Possible causes", &signature_causes(value, digest.unwrap_or_default()));
        }
        OpenError::Signature(SignatureError::Expired { age, max_age, issued_at }) => {
            expired(page, age.as_secs(), *max_age, *issued_at);
        }
        OpenError::Signature(SignatureError::Future { ahead, issued_at }) => {
            from_the_future(page, ahead.as_secs(), *issued_at);
        }
        OpenError::Signature(_) => malformed(page, value),
        other => without_session(page, value, other, digest),
    }
}

fn expired(page: &mut Page, age: u64, max_age: Duration, issued_at: UnixTime) {
    page.bad("Refused: expired");
    page.row("issued", &format!("{}, {} ago", date(issued_at), span(age)));
    let (max, end) = (max_age.as_secs(), date(issued_at.saturating_add(max_age)));
    page.row("expired", &format!("{end} (--max-age {max}: {})", span(max)));
    let points = [
        format!(
            "Key and value are right. To show the session, use --max-age {age} or more, or `--max-age none`"
        ),
        "If the app has another PERMANENT_SESSION_LIFETIME, set --max-age to it".to_owned(),
    ];
    page.points("What to do", &points);
}

fn from_the_future(page: &mut Page, ahead: u64, issued_at: UnixTime) {
    page.bad("Refused: from the future");
    page.row("issued", &date(issued_at));
    page.row("why", &format!("that is {} ahead of the clock, more than --leeway allows", span(ahead)));
    let points = [
        "Synchronize the clocks of the two machines (NTP)".to_owned(),
        format!("Key and value are right. To show the session, use --leeway {ahead} or more"),
    ];
    page.points("What to do", &points);
}

fn malformed(page: &mut Page, value: &str) {
    page.bad("Refused: malformed");
    page.row("why", "a session cookie has the form `payload.timestamp.signature`");
    let mut points = spelling_causes(value);
    points.push("It may be cut off: compare its end with the original".to_owned());
    points.push(
        "It may be the id of a session in a store (Flask-Session), which does not contain data".to_owned(),
    );
    page.points("Possible causes", &points);
}

fn without_session(page: &mut Page, value: &str, error: &OpenError, digest: Option<Digest>) {
    page.bad("Refused: the payload is not a session");
    page.row("why", &unreadable(error));
    size_row(page, value);
    let mut points = spelling_causes(value);
    if digest.is_none() {
        points.push("It may be cut off or changed: the signature was not checked".to_owned());
    }
    points.push("It may be something else, such as a link in a mail, or from another framework".to_owned());
    page.points("Possible causes", &points);
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

fn signature_causes(value: &str, digest: Digest) -> Vec<String> {
    let mut causes = spelling_causes(value);
    let length = split_unverified(value.as_bytes(), b'.').map_or(0, |parts| parts.signature.len());
    let fitting = [Digest::Sha1, Digest::Sha256, Digest::Sha512]
        .into_iter()
        .find(|digest| characters(*digest) == length);
    match fitting {
        Some(fitting) if fitting != digest => {
            causes.push(format!("The signature has the length of {fitting}: try --digest {fitting}"));
        }
        None if causes.is_empty() => {
            let wanted = characters(digest);
            causes.push(format!(
                "The signature has {length} characters, but {digest} makes {wanted}: the value is cut off, or something was added"
            ));
        }
        _ => {}
    }
    causes.push("Another key: compare it with the app's SECRET_KEY, including quotes and spaces; pass old keys with --fallback-env".to_owned());
    causes.push("The app has its own session interface: see --salt, --derivation, --digest".to_owned());
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
