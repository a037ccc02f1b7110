//! `hipflask store rm`: ends sessions.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;

use clap::Args;
use hipflask_core::time::UnixTime;
use hipflask_store::{Deleted, DeletedIf, Entry, Key, Store, Stored};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::filter::Filter;
use super::listing::{Listing, is_meant};
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

/// End sessions: their users are logged out with the next request
///
/// SESSION is a short hash as `ls` and the app's log show it, an id, or the value of a session cookie. Without any, a filter or
/// --all says which sessions end, and you are asked before. A session that changes meanwhile ends only if it is still meant.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rm {
    /// Which sessions; `-` reads them from standard input, one per line
    #[arg(value_name = "SESSION")]
    sessions: Vec<OsString>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// All sessions
    #[arg(long, help_heading = "Which sessions")]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show what would end, and end nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Show ids, too
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
            return self.all_that_are_meant(&store, &mut output, stop).await;
        }
        let names = names(&self.sessions, stop).await?;
        let place = store.describe().address;
        let mut all_good = true;
        for found in find(&store, &self.place.prefix.prefix, &names, stop).await? {
            if stop.is_wanted() {
                output.flush()?;
                return Err(Failure::Interrupted);
            }
            let Found::One(key, _) = &found else {
                all_good &= not_found(&mut output, &place, &found)?;
                continue;
            };
            let now = Clock::new(None).now();
            let ended =
                self.dry_run || store.delete(key, now).await.map_err(Failure::Store)? == Deleted::Deleted;
            all_good &=
                if ended { self.tell(&mut output, key)? } else { not_found(&mut output, &place, &found)? };
        }
        output.flush()?;
        Ok(all_good)
    }

    async fn all_that_are_meant(
        &self,
        store: &Arc<dyn Store>,
        output: &mut Output,
        stop: &mut Stop,
    ) -> Result<bool, Failure> {
        let prefix = &self.place.prefix.prefix;
        let mut table = Table::new(self.ids);
        let mut meant = 0_u64;
        let mut listing = Listing::new(store, prefix, self.filter.needs_data() || self.dry_run);
        let bar = counter("looking", None);
        while let Some(page) = listing.page(stop).await? {
            let now = Clock::new(None).now();
            for entry in page.iter().filter(|entry| is_meant(&self.filter, entry, now)) {
                meant += 1;
                if self.dry_run {
                    match output.is_json {
                        true => output.json(self.said(&entry.key))?,
                        false => table.row(output, entry, prefix, now)?,
                    }
                }
            }
            bar.set_position(meant);
        }
        bar.finish_and_clear();
        let place = store.describe().address;
        if self.dry_run || meant == 0 {
            output.flush()?;
            if !output.is_json {
                human::hint(&format!("{} would end in {place}", human::sessions(meant)));
            }
            return Ok(true);
        }
        if !self.yes && !confirmed(&format!("End {} in {place}?", human::sessions(meant)), stop).await? {
            return Err(Failure::NotConfirmed);
        }
        let ended = self.end(store, output, meant, stop).await;
        output.flush()?;
        let (ended, interrupted) = ended?;
        if !output.is_json {
            human::hint(&format!("{} ended in {place}", human::sessions(ended)));
        }
        if interrupted { Err(Failure::Interrupted) } else { Ok(true) }
    }

    /// Ends them; how many, and whether somebody stopped it before the last.
    async fn end(
        &self,
        store: &Arc<dyn Store>,
        output: &mut Output,
        meant: u64,
        stop: &mut Stop,
    ) -> Result<(u64, bool), Failure> {
        let mut listing = Listing::new(store, &self.place.prefix.prefix, true);
        let bar = counter("ending", Some(meant));
        let mut ended = 0;
        loop {
            let page = match listing.page(stop).await {
                Err(Failure::Interrupted) => return Ok((ended, true)),
                Ok(None) => return Ok((ended, false)),
                page => page?.unwrap_or_default(),
            };
            let now = Clock::new(None).now();
            for entry in page.into_iter().filter(|entry| is_meant(&self.filter, entry, now)) {
                if stop.is_wanted() {
                    return Ok((ended, true));
                }
                let key = entry.key.clone();
                if self.end_while_meant(store, entry, now).await? {
                    ended += 1;
                    bar.set_position(ended);
                    if output.is_json {
                        output.json(self.said(&key))?;
                    }
                }
            }
        }
    }

    /// Ends a session unless it is no longer one of those that are meant.
    async fn end_while_meant(
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
                    if !is_meant(&self.filter, &entry, now) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Says that a session ended, or would. Always a good answer.
    fn tell(&self, output: &mut Output, key: &Key) -> Result<bool, Failure> {
        if output.is_json {
            output.json(self.said(key))?;
        } else {
            let what = if self.dry_run { "would end" } else { "ended" };
            output.line(format!("{}  {what}", key.short_hash()).as_bytes())?;
        }
        Ok(true)
    }

    fn said(&self, key: &Key) -> Json {
        Json::new(true).key(key, &self.place.prefix.prefix, self.ids).raw("ended", !self.dry_run)
    }
}

/// Whether somebody at a terminal says yes.
async fn confirmed(question: &str, stop: &mut Stop) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::NobodyToAsk);
    }
    human::hint(&format!("{question} Type `yes` to go on:"));
    let mut answer = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    stop.or(input.read_line(&mut answer)).await?.map_err(Failure::Input)?;
    Ok(matches!(answer.trim(), "yes" | "y" | "Yes" | "YES"))
}

const EXAMPLES: &str = "\
Examples:
  hipflask store rm 1e00519e --store redis://127.0.0.1:6379/0
  hipflask store rm --where user_id=7 --dry-run          who would be logged out?
  hipflask store rm --where user_id=7 --yes              log somebody out everywhere
  hipflask store rm --all                                log everybody out
  hipflask store rm - < ids.txt                          ids are secrets: not among the arguments

Into a pipe each session is one line of JSON:
  {\"ok\":true,\"hash\":\"1e00519e\",\"ended\":true}
  {\"ok\":false,\"reason\":\"not_found\"}     no session has this hash, id or cookie
  {\"ok\":false,\"reason\":\"ambiguous\"}     more than one session has this short hash: none was ended

Exit code: 0 all ended, 1 something was not found, 2 the command could not be carried out, or you said no.";
