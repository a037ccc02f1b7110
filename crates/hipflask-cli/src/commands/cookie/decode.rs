//! `hipflask cookie decode`: shows a cookie without checking it.

use std::ffi::OsString;

use clap::Args;
use hipflask_core::codec::{OpenError, SessionCodec, Unverified};
use hipflask_explain::advice::{facts, sizes};
use hipflask_explain::header::session_cookie;
use hipflask_explain::times::{date, distance};

use super::{Signing, json, refuse};
use crate::clock::Clock;
use crate::commands::{Answer, Form, answer};
use crate::failure::Failure;
use crate::human::Page;
use crate::lines;

/// Show a cookie, without a key and without checking it
///
/// Nothing is verified: anybody can write such a cookie. To check whether the app would accept it, use
/// `hipflask cookie verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Decode {
    /// The cookie's value, or a whole `Cookie` or `Set-Cookie` line; `-` reads from standard input,
    /// one per line
    value: OsString,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    // Accepted because the other commands accept it. It has no effect.
    signing: Signing,
}

impl Decode {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        answer(&self, &self.value, &self.form)
    }
}

impl Answer for Decode {
    fn line(&self, text: &str, line: &mut Vec<u8>) -> bool {
        match read(session_cookie(text)) {
            Ok((claim, json)) => {
                let issued_at = claim.issued_at.map_or("null".to_owned(), |at| at.as_secs().to_string());
                lines::push(
                    line,
                    &["{\"ok\":true,\"verified\":false,\"issued_at\":", &issued_at, ",\"session\":"],
                );
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
        match read(text) {
            Ok((claim, json)) => {
                show(page, text, &claim, &json);
                true
            }
            Err(error) => {
                refuse(page, text, &error, None);
                false
            }
        }
    }
}

fn read(text: &str) -> Result<(Unverified, Vec<u8>), OpenError> {
    let claim = SessionCodec::open_unverified(text.as_bytes())?;
    let json = json(&claim.session)?;
    Ok((claim, json))
}

fn show(page: &mut Page, text: &str, claim: &Unverified, json: &[u8]) {
    page.doubtful("Not verified: anybody can write such a cookie");
    match claim.issued_at {
        Some(at) => {
            let now = Clock::new(None).now();
            page.row("issued", &format!("{}, {}", date(at), distance(at, now)));
        }
        None => page.row("issued", "the timestamp cannot be read"),
    }
    page.rows(&sizes(text));
    page.rows(&facts(&claim.session));
    page.json(json);
}

const EXAMPLES: &str = "\
Examples:
  hipflask cookie decode eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74
  hipflask cookie decode 'Set-Cookie: session=eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74; HttpOnly; Path=/'
  hipflask cookie decode - < cookies.txt | jq .session

Into a pipe, and for `-`, each result is one line of JSON; the session in it is Flask's tagged JSON:
  {\"ok\":true,\"verified\":false,\"issued_at\":1700000000,\"session\":{\"a\":1}}
  {\"ok\":false,\"reason\":\"malformed\"}       not in the form of a session cookie
  {\"ok\":false,\"reason\":\"bad_payload\"}     in that form, but the payload is not a session

Exit code: 0 success, 1 a cookie cannot be read, 2 the command failed.";
