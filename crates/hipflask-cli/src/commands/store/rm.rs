//! `hipflask store rm`: deletes sessions.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use hipflask_core::time::UnixTime;
use hipflask_store::{Deleted, DeletedIf, Entry, Key, Store, Stored};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::filter::Filter;
use super::listing::{Listing, is_match};
use super::output::{Json, Output, Table};
use super::place::Place;
use super::progress::counter;
use super::reference::{Found, find, names};
use super::show::not_found;
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human;

/// Delete sessions, which logs their users out with the next request
///
/// SESSION is a short hash from `ls` or the app's log, an id, or the value of a session cookie.
/// Without SESSION, a filter or --all selects the sessions, after a confirmation. A session that
/// changes meanwhile is deleted only if it still matches.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rm {
    /// The sessions to delete; `-` reads them from standard input, one per line
    #[arg(value_name = "SESSION")]
    sessions: Vec<OsString>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// All sessions
    #[arg(long, help_heading = "Which sessions")]
    all: bool,
    /// Delete without a confirmation
    #[arg(short, long)]
    yes: bool,
    /// Show the sessions that would be deleted, and delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Also show ids
    #[arg(long, help_heading = "Output")]
    ids: bool,
    #[command(flatten)]
    form: Form,
}

impl Rm {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        match (self.sessions.is_empty(), self.filter.is_empty(), self.all) {
            (true, true, false) => return Err(Failure::WhichSessions),
            (false, true, false) | (true, _, _) => {}
            (false, _, _) => return Err(Failure::NamedAndFiltered),
        }
        let store = self.place.connect(stop).await?;
        let mut output = Output::new(&self.form);
        if self.sessions.is_empty() {
            return self.all_matching(&store, &mut output, stop).await;
        }
        let names = names(&self.sessions, stop).await?;
        let place = store.describe().address;
        let mut all_good = true;
        for found in find(&store, &self.place.prefix.prefix, &names, stop).await? {
            if stop.is_requested() {
                output.flush()?;
                return Err(Failure::Interrupted);
            }
            let Found::One(key, _) = &found else {
                all_good &= not_found(&mut output, &place, &found)?;
                continue;
            };
            let now = Clock::new(None).now();
            let deleted =
                self.dry_run || store.delete(key, now).await.map_err(Failure::Store)? == Deleted::Deleted;
            all_good &=
                if deleted { self.tell(&mut output, key)? } else { not_found(&mut output, &place, &found)? };
        }
        output.flush()?;
        Ok(all_good)
    }

    async fn all_matching(
        &self,
        store: &Arc<dyn Store>,
        output: &mut Output,
        stop: &mut Stop,
    ) -> Result<bool, Failure> {
        let prefix = &self.place.prefix.prefix;
        let mut table = Table::new(self.ids);
        let mut matching = 0_u64;
        let mut listing = Listing::new(store, prefix, self.filter.needs_data() || self.dry_run);
        let bar = counter("searching", None);
        while let Some(page) = listing.page(stop).await? {
            let now = Clock::new(None).now();
            for entry in page.iter().filter(|entry| is_match(&self.filter, entry, now)) {
                matching += 1;
                if self.dry_run {
                    match output.is_json {
                        true => output.json(self.said(&entry.key))?,
                        false => table.row(output, entry, prefix, now)?,
                    }
                }
            }
            bar.set_position(matching);
        }
        bar.finish_and_clear();
        let place = store.describe().address;
        if self.dry_run || matching == 0 {
            output.flush()?;
            if !output.is_json {
                human::hint(&format!("{} would be deleted in {place}", human::sessions(matching)));
            }
            return Ok(true);
        }
        if !self.yes && !confirmed(&format!("Delete {} in {place}?", human::sessions(matching)), stop).await?
        {
            return Err(Failure::NotConfirmed);
        }
        let deleted = self.delete_matching(store, output, matching, stop).await;
        output.flush()?;
        let (deleted, interrupted) = deleted?;
        if !output.is_json {
            human::hint(&format!("{} deleted in {place}", human::sessions(deleted)));
        }
        if interrupted { Err(Failure::Interrupted) } else { Ok(true) }
    }

    /// Deletes the matching sessions. Returns their number, and `true` if it was interrupted before the last.
    async fn delete_matching(
        &self,
        store: &Arc<dyn Store>,
        output: &mut Output,
        matching: u64,
        stop: &mut Stop,
    ) -> Result<(u64, bool), Failure> {
        let mut listing = Listing::new(store, &self.place.prefix.prefix, true);
        let bar = counter("deleting", Some(matching));
        let mut deleted = 0;
        loop {
            let page = match listing.page(stop).await {
                Err(Failure::Interrupted) => return Ok((deleted, true)),
                Ok(None) => return Ok((deleted, false)),
                page => page?.unwrap_or_default(),
            };
            let now = Clock::new(None).now();
            for entry in page.into_iter().filter(|entry| is_match(&self.filter, entry, now)) {
                if stop.is_requested() {
                    return Ok((deleted, true));
                }
                let key = entry.key.clone();
                if self.delete_if_matching(store, entry, now).await? {
                    deleted += 1;
                    bar.set_position(deleted);
                    if output.is_json {
                        output.json(self.said(&key))?;
                    }
                }
            }
        }
    }

    /// Deletes a session if it still matches.
    async fn delete_if_matching(
        &self,
        store: &Arc<dyn Store>,
        mut entry: Entry,
        now: UnixTime,
    ) -> Result<bool, Failure> {
        loop {
            let expected = Stored::new(entry.data.clone().unwrap_or_default(), entry.expires);
            match store.delete_if(&entry.key, &expected, now).await.map_err(Failure::Store)? {
                DeletedIf::Deleted => return Ok(true),
                DeletedIf::Gone => return Ok(false),
                DeletedIf::Conflict(current) => {
                    entry.expires = current.expires;
                    entry.bytes = current.data.len();
                    entry.data = Some(current.data);
                    if !is_match(&self.filter, &entry, now) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Reports that a session was deleted, or would be. Always returns `true`.
    fn tell(&self, output: &mut Output, key: &Key) -> Result<bool, Failure> {
        if output.is_json {
            output.json(self.said(key))?;
        } else {
            let what = if self.dry_run { "would be deleted" } else { "deleted" };
            output.line(format!("{}  {what}", key.short_hash()).as_bytes())?;
        }
        Ok(true)
    }

    fn said(&self, key: &Key) -> Json {
        Json::new(true).key(key, &self.place.prefix.prefix, self.ids).raw("deleted", !self.dry_run)
    }
}

/// Waits for a confirmation at the terminal.
async fn confirmed(question: &str, stop: &mut Stop) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::NobodyToAsk);
    }
    human::hint(&format!("{question} Type `yes` to continue:"));
    let mut answer = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    stop.or(input.read_line(&mut answer)).await?.map_err(Failure::Input)?;
    Ok(matches!(answer.trim(), "yes" | "y" | "Yes" | "YES"))
}

const EXAMPLES: &str = "\
Examples:
  hipflask store rm 1e00519e --store redis://127.0.0.1:6379/0
  hipflask store rm --where user_id=7 --dry-run          show who would be logged out
  hipflask store rm --where user_id=7 --yes              log a user out everywhere
  hipflask store rm --all                                log all users out
  hipflask store rm - < ids.txt                          ids are secrets, so they are not arguments

Into a pipe, each session is one line of JSON:
  {\"ok\":true,\"hash\":\"1e00519e\",\"deleted\":true}
  {\"ok\":false,\"reason\":\"not_found\"}     no session has this hash, id or cookie
  {\"ok\":false,\"reason\":\"ambiguous\"}     more than one session has this short hash: none was deleted

Exit code: 0 success, 1 a session was not found, 2 the command failed or was not confirmed.";
