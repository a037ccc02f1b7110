//! `hipflask store show`: shows sessions.

use std::ffi::OsString;

use clap::Args;
use hipflask_core::tagged::{self, KeyOrder};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_store::record::{Format, Record, Redacted, redact};
use hipflask_store::{Entry, Key, Stored};

use super::output::{Json, Output, unreadable, word};
use super::place::Place;
use super::reference::{Found, find, names};
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human::{self, Page};
use hipflask_explain::times::{date, until};

/// Show sessions, and hide the values of keys that look secret
///
/// SESSION is a short hash from `ls` or the app's log, an id, or the value of a session cookie. An
/// id is a secret, and everybody on this machine can read the arguments of a command: use `-` to
/// read it from standard input.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    /// The sessions to show; `-` reads them from standard input, one per line
    #[arg(value_name = "SESSION", required = true)]
    sessions: Vec<OsString>,
    #[command(flatten)]
    place: Place,
    /// Also show the values of keys that look secret: tokens, passwords, one-time codes
    #[arg(long, help_heading = "Output")]
    reveal: bool,
    /// Also show ids
    #[arg(long, help_heading = "Output")]
    ids: bool,
    #[command(flatten)]
    form: Form,
}

impl Show {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        let store = self.place.connect(stop).await?;
        let prefix = &self.place.prefix.prefix;
        let mut output = Output::new(&self.form);
        let names = names(&self.sessions, stop).await?;
        let mut all_good = true;
        for found in find(&store, prefix, &names, stop).await? {
            let now = Clock::new(None).now();
            let place = &store.describe().address;
            all_good &= match found {
                Found::One(key, stored) if output.is_json => self.line(&mut output, key, stored)?,
                Found::One(key, stored) => self.page(&mut output, place, key, stored, now)?,
                missing => not_found(&mut output, place, &missing)?,
            };
        }
        output.flush()?;
        Ok(all_good)
    }

    fn line(&self, output: &mut Output, key: Key, stored: Stored) -> Result<bool, Failure> {
        let entry = entry(key, stored);
        let prefix = &self.place.prefix.prefix;
        let data = entry.data.as_deref().unwrap_or_default();
        match Format::read(data) {
            Ok(Record { dict, .. }) => {
                let shown = self.shown(&dict);
                let json =
                    Json::new(true).entry(&entry, prefix, self.ids).text("format", word(Format::of(data)));
                let hidden = Value::List(shown.hidden.into_iter().map(Value::from).collect());
                output.json(json.text("hidden", hidden).raw("session", json_of(&shown.dict)))?;
                Ok(true)
            }
            Err(error) => {
                output.json(unreadable(&entry, prefix, self.ids, &error))?;
                Ok(false)
            }
        }
    }

    fn page(
        &self,
        output: &mut Output,
        place: &str,
        key: Key,
        stored: Stored,
        now: UnixTime,
    ) -> Result<bool, Failure> {
        let entry = entry(key, stored);
        let data = entry.data.as_deref().unwrap_or_default();
        let mut page = Page::default();
        let record = Format::read(data);
        match &record {
            Ok(_) => page.good(&format!("Session {}", entry.key.short_hash())),
            Err(_) => page.bad(&format!("Session {} cannot be read", entry.key.short_hash())),
        }
        page.row("store", place);
        if self.ids {
            page.row("id", entry.key.id(&self.place.prefix.prefix).unwrap_or(entry.key.as_str()));
        }
        match entry.expires {
            Some(ends) => page.row("expires", &format!("{}, {}", date(ends), until(Some(ends), now))),
            None => page.row("expires", "never"),
        }
        page.row("size", &format!("{} of {}", human::size(data.len() as u64), Format::of(data)));
        match &record {
            Ok(record) => {
                let shown = self.shown(&record.dict);
                page.row("session", &summary(&record.dict, &shown.hidden));
                page.json(json_of(&shown.dict).as_bytes());
            }
            Err(error) => page.row("why", &error.to_string()),
        }
        output.line(page.text().as_bytes())?;
        Ok(record.is_ok())
    }

    fn shown(&self, session: &Dict) -> Redacted {
        if self.reveal { Redacted { dict: session.clone(), hidden: Vec::new() } } else { redact(session) }
    }
}

/// Converts a loaded session to an entry of a listing.
fn entry(key: Key, stored: Stored) -> Entry {
    Entry { key, bytes: stored.data.len(), expires: stored.expires, data: Some(stored.data) }
}

fn json_of(session: &Dict) -> String {
    let json = tagged::to_string_ordered(&Value::Dict(session.clone()), KeyOrder::Insertion);
    json.unwrap_or_else(|_| "null".to_owned())
}

fn summary(session: &Dict, hidden: &[String]) -> String {
    let keys = if session.len() == 1 { "1 key".to_owned() } else { format!("{} keys", session.len()) };
    match hidden.len() {
        0 => keys,
        1 => format!("{keys}; 1 value is hidden (--reveal shows it)"),
        many => format!("{keys}; {many} values are hidden (--reveal shows them)"),
    }
}

/// Reports that a name does not match one session. Always returns `false`.
pub(super) fn not_found(output: &mut Output, place: &str, found: &Found) -> Result<bool, Failure> {
    let (reason, key, many) = match found {
        Found::Many(many) => ("ambiguous", None, *many),
        Found::One(key, _) => ("not_found", Some(key), 0),
        Found::None(key) => ("not_found", key.as_ref(), 0),
    };
    let hash = key.map(Key::short_hash);
    if output.is_json {
        let json = Json::new(false).text("reason", reason);
        let json = if let Some(hash) = hash { json.text("hash", hash) } else { json };
        output.json(if many > 0 { json.raw("sessions", many) } else { json })?;
        return Ok(false);
    }
    let mut page = Page::default();
    if many > 0 {
        page.bad(&format!("{many} sessions have this short hash"));
        page.points("What to do", &["Use its id: `hipflask store ls --ids` shows it".to_owned()]);
    } else {
        page.bad("No such session");
        page.row("store", place);
        if let Some(hash) = hash {
            page.row("searched", &format!("for the key with the short hash {hash}"));
        }
        page.points(
            "Possible causes",
            &[
                "It has expired, or was deleted".to_owned(),
                "It is in another store, or under another --prefix (SESSION_KEY_PREFIX)".to_owned(),
                "The argument is cut off: a short hash has 8 digits, most ids have 43 characters".to_owned(),
            ],
        );
    }
    output.line(page.text().as_bytes())?;
    Ok(false)
}

const EXAMPLES: &str = "\
Examples:
  hipflask store show 1e00519e --store file:./flask_session
  hipflask store show --reveal 1e00519e
  hipflask store show - < cookie.txt             the value of a cookie, not in the arguments
  hipflask store show 1e00519e | jq .session.user

Into a pipe, each session is one line of JSON; the session in it is Flask's tagged JSON:
  {\"ok\":true,\"hash\":\"1e00519e\",\"expires_at\":1700000000,\"bytes\":21,\"format\":\"msgpack\",\"hidden\":[],\"session\":{\"a\":1}}
  {\"ok\":false,\"reason\":\"not_found\"}     no session has this hash, id or cookie
  {\"ok\":false,\"reason\":\"ambiguous\"}     more than one session has this short hash
  {\"ok\":false,\"reason\":\"unreadable\"}    the record is not a session

Exit code: 0 success, 1 a session was not found or cannot be read, 2 the command failed.";
