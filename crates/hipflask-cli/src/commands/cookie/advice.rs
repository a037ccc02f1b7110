//! Why a cookie is refused, for people: what is wrong and what helps.

use hipflask_core::codec::OpenError;
use hipflask_core::signing::{Digest, PayloadError, SignatureError, split_unverified};

use super::size_row;
use crate::clock::{date, span};
use crate::human::Page;

/// Tells why `value` was refused; `digest` is that of the signature, if that was checked. Nothing of the value is shown.
pub(crate) fn refused(page: &mut Page, value: &str, error: &OpenError, digest: Option<Digest>) {
    match error {
        OpenError::Signature(SignatureError::BadSignature { issued_at, .. }) => {
            page.bad("Refused: bad signature");
            page.row("why", "none of the keys given makes this signature");
            if let Some(at) = issued_at {
                page.row("issued", &format!("{}, not verified", date(*at)));
            }
            size_row(page, value);
            page.points("What may be the cause", &signature_causes(value, digest.unwrap_or_default()));
        }
        OpenError::Signature(SignatureError::Expired { age, max_age, issued_at }) => {
            page.bad("Refused: expired");
            page.row("issued", &format!("{}, {} ago", date(*issued_at), span(age.as_secs())));
            let max = max_age.as_secs();
            let end = date(issued_at.saturating_add(*max_age));
            page.row("was good", &format!("until {end} (--max-age {max}, that is {})", span(max)));
            let points = [
                format!(
                    "Key and value are right. To see the session: --max-age {} or more, or `--max-age none`",
                    age.as_secs()
                ),
                "Does the app have another PERMANENT_SESSION_LIFETIME? Give that as --max-age".to_owned(),
            ];
            page.points("What helps", &points);
        }
        OpenError::Signature(SignatureError::Future { ahead, issued_at }) => {
            page.bad("Refused: from the future");
            page.row("issued", &date(*issued_at));
            page.row(
                "why",
                &format!(
                    "that is {} ahead of the clock, and more than --leeway allows",
                    span(ahead.as_secs())
                ),
            );
            let points = [
                "Set the clocks of both machines (NTP)".to_owned(),
                format!("Key and value are right. To see the session: --leeway {} or more", ahead.as_secs()),
            ];
            page.points("What helps", &points);
        }
        OpenError::Signature(_) => {
            page.bad("Refused: malformed");
            page.row("why", "a session cookie is `payload.timestamp.signature`, and this has another form");
            let mut points = spelling_causes(value);
            points.push("It may have been cut: compare its end with the original".to_owned());
            points.push("It may be the id of a session that lives on a server (Flask-Session): there is nothing to read in it".to_owned());
            page.points("What may be the cause", &points);
        }
        other => {
            page.bad("Refused: what it carries is no session");
            page.row("why", &unreadable(other));
            size_row(page, value);
            let mut points = spelling_causes(value);
            if digest.is_none() {
                points.push("It may have been cut or changed: nobody checked the signature".to_owned());
            }
            points.push(
                "It may be of another purpose, such as a mail link, or of another framework".to_owned(),
            );
            page.points("What may be the cause", &points);
        }
    }
}

/// What is wrong with a payload, whether its signature was checked or not. The library's words speak of a good one.
fn unreadable(error: &OpenError) -> String {
    match error {
        OpenError::Payload(PayloadError::NotBase64) => "the payload is not base64".to_owned(),
        OpenError::Payload(PayloadError::NotZlib) => {
            "the payload is marked as deflated, but is not a whole zlib stream".to_owned()
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
            causes.push(format!("The signature is as long as one of {fitting}: try --digest {fitting}"));
        }
        None if causes.is_empty() => {
            let wanted = characters(digest);
            causes.push(format!(
                "The signature has {length} characters where {digest} makes {wanted}: the value was cut, or something was added"
            ));
        }
        _ => {}
    }
    causes.push("Another key: compare it with the app's SECRET_KEY, quotes and spaces included; old keys go into --fallback-env".to_owned());
    causes.push("The app has a session interface of its own: see --salt, --derivation, --digest".to_owned());
    causes.push("The value was changed since it was signed".to_owned());
    causes
}

/// What can be seen in the value itself.
fn spelling_causes(value: &str) -> Vec<String> {
    let checks = [
        (value.starts_with(['"', '\'']), "The value stands in quotes: take them off"),
        (
            value.contains(['=', ';']),
            "There is a `=` or `;` in it: give only what stands between `session=` and the next `;`",
        ),
        (value.contains('%'), "There is a `%` in it: it was URL-encoded, decode that first"),
        (
            value.contains(char::is_whitespace),
            "There is white space in it: it was broken into lines, or more was copied",
        ),
        (
            value.starts_with("eyJ") && value.matches('.').count() == 2 && looks_like_jwt(value),
            "It looks like a JSON Web Token, which is something else",
        ),
    ];
    checks.into_iter().filter(|(applies, _)| *applies).map(|(_, cause)| cause.to_owned()).collect()
}

/// The middle of a JSON Web Token is an object too, where a session cookie has a few characters of time.
fn looks_like_jwt(value: &str) -> bool {
    value.split('.').nth(1).is_some_and(|middle| middle.starts_with("eyJ"))
}

/// The length of a signature in base64.
const fn characters(digest: Digest) -> usize {
    (digest.len() * 8).div_ceil(6)
}
