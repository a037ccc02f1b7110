//! Lines on standard output: JSON for programs, a table for people.

use std::io::{ErrorKind, Write as _};

use hipflask_core::tagged;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Text, Value};
use hipflask_store::record::{Format, Record, RecordError};
use hipflask_store::{Entry, Key};
use owo_colors::OwoColorize as _;

use super::listing;
use crate::commands::Form;
use crate::failure::Failure;
use crate::{human, lines};
use hipflask_explain::times::until;

/// Standard output, written in large pieces.
pub(super) struct Output {
    pub(super) is_json: bool,
    waiting: Vec<u8>,
    has_reader: bool,
}

impl Output {
    pub(super) fn new(form: &Form) -> Self {
        Self { is_json: !form.is_for_people(), waiting: Vec::new(), has_reader: true }
    }

    /// Returns `false` once the reader has closed the pipe.
    pub(super) const fn has_reader(&self) -> bool {
        self.has_reader
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.waiting.extend_from_slice(line);
        self.waiting.push(b'\n');
        if self.waiting.len() > FULL { self.flush() } else { Ok(()) }
    }

    /// A line of JSON.
    pub(super) fn json(&mut self, json: Json) -> Result<(), Failure> {
        let mut line = Vec::new();
        lines::push_json(&mut line, json.0.as_bytes());
        line.push(b'}');
        self.line(&line)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        if self.has_reader && !self.waiting.is_empty() {
            let mut output = anstream::AutoStream::auto(std::io::stdout());
            match output.write_all(&self.waiting).and_then(|()| output.flush()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.has_reader = false,
                written => written.map_err(Failure::Output)?,
            }
        }
        self.waiting.clear();
        Ok(())
    }
}

/// An unfinished object. Its closing brace is added with the line.
pub(super) struct Json(String);

impl Json {
    pub(super) fn new(ok: bool) -> Self {
        Self(format!("{{\"ok\":{ok}"))
    }

    /// Adds a number, or a text that is already JSON.
    pub(super) fn raw(mut self, name: &str, json: impl std::fmt::Display) -> Self {
        self.0 += &format!(",\"{name}\":{json}");
        self
    }

    pub(super) fn text(self, name: &str, text: impl Into<Value>) -> Self {
        // Only nested values can fail.
        let json = tagged::to_string(&text.into()).unwrap_or_default();
        self.raw(name, json)
    }

    pub(super) fn texts<'t>(self, name: &str, texts: impl Iterator<Item = &'t Text>) -> Self {
        self.text(name, Value::List(texts.map(|text| Value::Str(text.clone())).collect()))
    }

    /// Adds what a store knows of a session, even if its data cannot be read.
    pub(super) fn entry(self, entry: &Entry, prefix: &str, ids: bool) -> Self {
        let ends = entry.expires.map_or_else(|| "null".to_owned(), |ends| ends.as_secs().to_string());
        self.key(&entry.key, prefix, ids).raw("expires_at", ends).raw("bytes", entry.bytes)
    }

    pub(super) fn key(self, key: &Key, prefix: &str, ids: bool) -> Self {
        let json = self.text("hash", key.short_hash());
        match key.id(prefix) {
            _ if !ids => json,
            Some(id) => json.text("id", id),
            None => json.text("name", key.as_str()),
        }
    }
}

/// The table of sessions for people.
pub(super) struct Table {
    ids: bool,
    has_head: bool,
}

impl Table {
    pub(super) const fn new(ids: bool) -> Self {
        Self { ids, has_head: false }
    }

    pub(super) fn row(
        &mut self,
        output: &mut Output,
        entry: &Entry,
        prefix: &str,
        now: UnixTime,
    ) -> Result<(), Failure> {
        let key = &entry.key;
        let name =
            if self.ids { key.id(prefix).unwrap_or(key.as_str()).to_owned() } else { key.short_hash() };
        let width = if self.ids { 43 } else { 8 };
        if !self.has_head {
            let head = format!("{:width$}  {:>12}  {:>8}  {}", "session", "expires", "size", "keys");
            output.line(head.dimmed().to_string().as_bytes())?;
            self.has_head = true;
        }
        let ends = until(entry.expires, now);
        let size = human::size(entry.bytes as u64);
        let what = match listing::read(entry) {
            None => String::new(),
            Some((_, Ok(record))) => keys(&record.dict, 78_usize.saturating_sub(width + 26)),
            Some((_, Err(error))) => format!("unreadable: {error}").red().to_string(),
        };
        output.line(format!("{name:width$}  {ends:>12}  {size:>8}  {what}").trim_end().as_bytes())
    }
}

/// The names of as many keys as fit.
fn keys(session: &Dict, room: usize) -> String {
    let names: Vec<String> = session.keys().map(human::plain).collect();
    let mut shown = String::new();
    for (at, name) in names.iter().enumerate() {
        let more = format!(" +{}", names.len() - at);
        let length = shown.chars().count() + name.chars().count();
        if at > 0 && length + 1 + more.len() > room {
            return shown + &more;
        }
        if at > 0 {
            shown.push(' ');
        }
        shown += &name.chars().take(room.max(8)).collect::<String>();
    }
    shown
}

/// A session as a line of a listing.
pub(super) fn listed(entry: &Entry, prefix: &str, ids: bool) -> Json {
    match listing::read(entry) {
        None => Json::new(true).entry(entry, prefix, ids),
        Some((format, Ok(Record { dict, .. }))) => {
            let json = Json::new(true).entry(entry, prefix, ids);
            json.text("format", word(format)).texts("keys", dict.keys())
        }
        Some((_, Err(error))) => unreadable(entry, prefix, ids, &error),
    }
}

/// A session that cannot be read.
pub(super) fn unreadable(entry: &Entry, prefix: &str, ids: bool, error: &RecordError) -> Json {
    let json = Json::new(false).entry(entry, prefix, ids);
    json.text("reason", "unreadable").text("detail", error.to_string())
}

/// The name of a format in JSON.
pub(super) fn word(format: Format) -> String {
    format.to_string().to_lowercase()
}

/// The count of [`Store::skipped`](hipflask_store::Store::skipped) as a sentence.
pub(super) const SKIPPED: &str = "not readable as sessions of this user; not touched";

/// Warns if a store has skipped files.
pub(super) fn warn_of_skipped(skipped: u64) {
    if skipped > 0 {
        human::warn(&format!("{} skipped: {SKIPPED}", human::number(skipped)));
    }
}

const FULL: usize = 32 * 1024;
