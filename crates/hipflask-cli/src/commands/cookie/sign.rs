//! `hipflask cookie sign`: signs a cookie that the app accepts.

use std::ffi::OsString;

use clap::Args;
use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::tagged::JsonError;
use hipflask_explain::advice::{facts, sizes};
use hipflask_explain::times::{LAST_SECOND, date};

use super::Signing;
use crate::clock::Clock;
use crate::commands::{Answer, Form, answer};
use crate::failure::Failure;
use crate::human::Page;
use crate::keys::{CurrentKey, Keys};
use crate::lines;

/// Sign a cookie that the app accepts
///
/// The session is an object in Flask's tagged JSON, in which for example {" t": [1, 2]} is a tuple.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sign {
    /// The session as JSON; `-` reads sessions from standard input, one per line
    #[arg(value_name = "JSON")]
    session: OsString,
    #[command(flatten)]
    key: CurrentKey,
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
    /// The time of signing in seconds since 1970, instead of the current time
    #[arg(long, value_name = "UNIX", value_parser = clap::value_parser!(u64).range(..=LAST_SECOND))]
    at: Option<u64>,
}

impl Sign {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        let keys = Keys::load(&self.key, None)?;
        let codec = self.signing.codec(&keys).build()?;
        answer(&SessionSigner { codec, clock: Clock::new(self.time.at) }, &self.session, &self.form)
    }
}

struct SessionSigner {
    codec: SessionCodec,
    clock: Clock,
}

impl SessionSigner {
    fn sign(&self, json: &str) -> Result<(SessionDict, String), JsonError> {
        let session = SessionDict::from_json(json)?;
        let cookie = self.codec.sign(&session, self.clock.now())?;
        Ok((session, cookie))
    }
}

impl Answer for SessionSigner {
    fn line(&self, text: &str, line: &mut Vec<u8>) -> bool {
        match self.sign(text) {
            Ok((_, cookie)) => {
                lines::push(line, &["{\"ok\":true,\"cookie\":\"", &cookie, "\"}"]);
                true
            }
            Err(error) => {
                lines::refuse_with(line, "bad_payload", &error.to_string());
                false
            }
        }
    }

    fn page(&self, text: &str, page: &mut Page) -> bool {
        match self.sign(text) {
            Ok((session, cookie)) => {
                page.good("Signed");
                page.copyable(&cookie);
                page.row("issued", &date(self.clock.now()));
                page.rows(&sizes(&cookie));
                page.rows(&facts(&session));
                true
            }
            Err(error) => {
                page.bad("Refused: this is not a session");
                page.row("why", &error.to_string());
                page.points("What to do", &JSON_ADVICE.map(str::to_owned));
                false
            }
        }
    }
}

const JSON_ADVICE: [&str; 2] = [
    "A session is a JSON object with double quotes, such as {\"user\": \"ada\"}",
    "In a shell, put it in single quotes, or the shell removes the double quotes",
];

const EXAMPLES: &str = "\
Examples:
  hipflask cookie sign --key-env SECRET_KEY '{\"user\": \"ada\", \"_permanent\": true}'
  hipflask cookie sign --key-file secret.key --at 1700000000 '{\"cart\": {\" t\": [\"pear\", 2]}}'
  hipflask cookie sign --key-env SECRET_KEY '{}' | jq -r .cookie
  hipflask cookie sign --key-env SECRET_KEY - < sessions.jsonl

Into a pipe, and for `-`, each result is one line of JSON:
  {\"ok\":true,\"cookie\":\"eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74\"}
  {\"ok\":false,\"reason\":\"bad_payload\",\"detail\":\"...\"}   not JSON, or not a session
  {\"ok\":false,\"reason\":\"malformed\"}                    not UTF-8, or over 1 MiB

Exit code: 0 success, 1 a session was refused, 2 the command failed.";
