//! `hipflask cookie verify`: checks a cookie as the app does.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use hipflask_core::codec::{DEFAULT_LEEWAY, DEFAULT_LIFETIME, OpenError, Opened, SessionCodec};
use hipflask_explain::advice::{facts, sizes};
use hipflask_explain::header::session_cookie;
use hipflask_explain::times::{LAST_SECOND, Span, date, distance, span};

use super::{Signing, json, refuse};
use crate::clock::Clock;
use crate::commands::{Answer, Form, answer};
use crate::failure::Failure;
use crate::human::Page;
use crate::keys::{CurrentKey, FallbackKeys, Keys};
use crate::lines;

/// Check a cookie as the app does, and show its session
///
/// Checks the signature first, then the age, and reads the payload only after that.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// The cookie's value, or a whole `Cookie` or `Set-Cookie` line; `-` reads from standard input,
    /// one per line
    value: OsString,
    #[command(flatten)]
    key: CurrentKey,
    #[command(flatten)]
    fallbacks: FallbackKeys,
    #[command(flatten)]
    time: Time,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Time")]
struct Time {
    /// The greatest age: `31d`, `12h`, `30m`, `90s` or seconds (PERMANENT_SESSION_LIFETIME), or
    /// `none` for any age
    #[arg(long, value_name = "TIME", default_value_t = MaxAge(Some(Span(DEFAULT_LIFETIME.as_secs()))))]
    max_age: MaxAge,
    /// The time that a cookie may be ahead of the clock, because clocks of servers differ; 0 as in Flask
    #[arg(long, value_name = "TIME", default_value_t = Span(DEFAULT_LEEWAY.as_secs()))]
    leeway: Span,
    /// The time of the check in seconds since 1970, instead of the current time
    #[arg(long, value_name = "UNIX", value_parser = clap::value_parser!(u64).range(..=LAST_SECOND))]
    now: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct MaxAge(Option<Span>);

impl FromStr for MaxAge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|age| Self(Some(age)))
            .map_err(|error| format!("{error}, or `none` to accept any age"))
    }
}

impl fmt::Display for MaxAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(age) => age.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl Verify {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        let keys = Keys::load(&self.key, Some(&self.fallbacks))?;
        let codec = self.signing.codec(&keys);
        let codec =
            codec.lifetime(self.time.max_age.0.map(Span::duration)).leeway(self.time.leeway.duration());
        let verifier = Verifier {
            codec: codec.build()?,
            places: keys.places,
            clock: Clock::new(self.time.now),
            arguments: &self,
        };
        answer(&verifier, &self.value, &self.form)
    }
}

struct Verifier<'a> {
    codec: SessionCodec,
    places: Vec<String>,
    clock: Clock,
    arguments: &'a Verify,
}

impl Verifier<'_> {
    fn open(&self, text: &str) -> Result<(Opened, Vec<u8>), OpenError> {
        let opened = self.codec.open(text.as_bytes(), self.clock.now())?;
        let json = json(&opened.session)?;
        Ok((opened, json))
    }

    fn show(&self, page: &mut Page, text: &str, opened: &Opened, json: &[u8]) {
        let place = self.places.get(opened.key).map_or("", String::as_str);
        page.good(&format!("Valid: signed with the key in {place}"));
        if opened.key > 0 {
            page.row("key", "an older one: when the app saves the session, it signs with the current key");
        }
        let now = self.clock.now();
        page.row("issued", &format!("{}, {}", date(opened.issued_at), distance(opened.issued_at, now)));
        match self.codec.lifetime() {
            Some(lifetime) => {
                let end = opened.issued_at.saturating_add(lifetime);
                let left = span(end.as_secs().saturating_sub(now.as_secs()));
                page.row("expires", &format!("{}, {left} from now", date(end)));
            }
            None => page.row("expires", "never (--max-age none)"),
        }
        page.rows(&sizes(text));
        page.rows(&facts(&opened.session));
        page.json(json);
    }
}

impl Answer for Verifier<'_> {
    fn line(&self, text: &str, line: &mut Vec<u8>) -> bool {
        match self.open(session_cookie(text)) {
            Ok((opened, json)) => {
                let issued_at = opened.issued_at.as_secs().to_string();
                lines::push(line, &["{\"ok\":true,\"issued_at\":", &issued_at, ",\"session\":"]);
                lines::push_json(line, &json);
                line.push(b'}');
                true
            }
            Err(error) => {
                lines::refuse(line, error.reason());
                false
            }
        }
    }

    fn page(&self, text: &str, page: &mut Page) -> bool {
        let text = session_cookie(text);
        match self.open(text) {
            Ok((opened, json)) => {
                self.show(page, text, &opened, &json);
                true
            }
            Err(error) => {
                refuse(page, text, &error, Some(self.arguments.signing.digest));
                false
            }
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  hipflask cookie verify --key-env SECRET_KEY VALUE
  hipflask cookie verify --key-file secret.key --fallback-env OLD_KEY --max-age 12h VALUE
  hipflask cookie verify --key-env SECRET_KEY - < cookies.txt | jq -r 'select(.ok).session.user'

Into a pipe, and for `-`, each result is one line of JSON; the session in it is Flask's tagged JSON:
  {\"ok\":true,\"issued_at\":1700000000,\"session\":{\"a\":1}}
  {\"ok\":false,\"reason\":\"bad_signature\"}   not signed with any of these keys, or changed
  {\"ok\":false,\"reason\":\"expired\"}         signed longer ago than --max-age
  {\"ok\":false,\"reason\":\"future\"}          signed further ahead of the clock than --leeway
  {\"ok\":false,\"reason\":\"malformed\"}       not in the form of a signed cookie; not UTF-8; over 1 MiB
  {\"ok\":false,\"reason\":\"bad_payload\"}     signed, but the payload is not a session

With `-`, each line is processed at once, in order, so another program can send line by line.

Exit code: 0 success, 1 a cookie was refused, 2 the command failed.";
