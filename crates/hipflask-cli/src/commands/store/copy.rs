//! `hipflask store copy`: copies sessions from one store to another.

mod summary;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use hipflask_store::copy::{Copier, CopyError, Journal, Outcome};
use hipflask_store::record::Format;
use hipflask_store::{Entry, Key, Store};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use super::filter::Filter;
use super::listing::{Listing, is_match};
use super::output::{Json, Output, warn_of_skipped};
use super::place::{Prefix, existing, is_same, ready};
use super::progress::counter;
use super::reference::{candidates, lines_of_input};
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human;
use hipflask_explain::times::Span;
use summary::CopySummary;

/// Copy sessions from one store to another, with their ids and their expiry
///
/// The source is never changed. Each session is written in the format of the destination (pickle in
/// files, else msgpack). It never replaces another session there. Then the source is read again, so
/// that a session that was changed or deleted meanwhile is also changed or deleted at the
/// destination. You can stop the command at any time and run it again to continue.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Copy {
    /// The source: a URL, or `env:NAME` for the URL in the variable NAME
    from: String,
    /// The destination; a missing table or directory is created
    to: String,
    #[command(flatten)]
    prefix: Prefix,
    /// The prefix of the keys at the destination, if it is another one
    #[arg(long, value_name = "TEXT", help_heading = "Where")]
    to_prefix: Option<String>,
    /// The file that records which sessions were copied. With it, the next run updates sessions
    /// that have changed at the source since, and does not copy sessions again that were deleted at
    /// the destination. It does not contain secrets
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// With --journal: delete the sessions at the destination that an earlier run copied, that have
    /// not changed since, and that were deleted at the source
    #[arg(long, requires = "journal", conflicts_with_all = ["ids_from", "conditions", "expires_before", "expires_after"])]
    delete_missing: bool,
    /// The format of the records at the destination, if the app there does not use the default of its store
    #[arg(
        long,
        value_parser = PossibleValuesParser::new(["msgpack", "json", "pickle"]).map(|word| match &*word {
            "json" => Format::Json,
            "pickle" => Format::Pickle,
            _ => Format::Msgpack,
        })
    )]
    format: Option<Format>,
    /// Also copy sessions with values that change their types there, such as tuples that become lists
    #[arg(long)]
    accept_changes: bool,
    /// The lifetime at the destination of sessions that never expire at the source, such as `31d`
    #[arg(long, value_name = "TIME")]
    endless_lifetime: Option<Span>,
    /// Only the sessions with these ids or cookies, one per line; `-` for standard input. Needed
    /// for a file store, which does not know its ids
    #[arg(long, value_name = "FILE", help_heading = "Which sessions")]
    ids_from: Option<OsString>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    form: Form,
}

impl Copy {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        let from = existing(&self.from, stop).await?;
        let to = ready(&self.to, stop).await?;
        let (here, there) = (from.describe(), to.describe());
        let to_prefix = self.to_prefix.as_ref().unwrap_or(&self.prefix.prefix);
        if is_same(&self.from, &self.to)? && *to_prefix == self.prefix.prefix {
            return Err(Failure::SamePlace);
        }
        let knows_no_ids = here.kind == "file" && self.ids_from.is_none();
        if knows_no_ids && (there.kind != "file" || *to_prefix != self.prefix.prefix) {
            return Err(Failure::NamesOnly);
        }
        let copier = self.copier(&from, &to, to_prefix)?;
        let mut output = Output::new(&self.form);
        let bar = counter("copying", self.total(&from, &output, stop).await?);
        // The count skipped the same files.
        let counted = from.skipped();
        let mut work = Work {
            copier,
            group: Vec::new(),
            group_bytes: 0,
            running: JoinSet::new(),
            summary: CopySummary::default(),
            bar,
            prefix: &self.prefix.prefix,
        };
        let mut done = self.all(&from, &mut work, &mut output, stop).await;
        // Copies that have begun are completed, so that the counts are right.
        let mut rest = work.rest(done.is_ok(), &mut output).await;
        if done.is_ok()
            && rest.is_ok()
            && self.journal.is_some()
            && self.ids_from.is_none()
            && self.filter.is_empty()
        {
            done = self.missing(&to, to_prefix, &mut work, stop).await;
            rest = work.rest(false, &mut output).await;
        }
        work.bar.finish_and_clear();
        let is_whole = done.is_ok() && rest.is_ok();
        warn_of_skipped(from.skipped() - counted);
        work.summary.write(&mut output, &here.address, &there.address, is_whole)?;
        done.and(rest)?;
        Ok(work.summary.left_behind() == 0)
    }

    fn copier(&self, from: &Arc<dyn Store>, to: &Arc<dyn Store>, to_prefix: &str) -> Result<Copier, Failure> {
        let mut copier = Copier::new(from.clone(), to.clone())
            .accept_changes(self.accept_changes)
            .endless_live(self.endless_lifetime.map(|Span(seconds)| Duration::from_secs(seconds)))
            .prefixes(&self.prefix.prefix, to_prefix);
        if let Some(format) = self.format {
            copier = copier.format(format);
        }
        if let Some(path) = &self.journal {
            let known =
                |store: &Arc<dyn Store>, prefix: &str| format!("{} {prefix}", store.describe().address);
            let (here, there) = (known(from, &self.prefix.prefix), known(to, to_prefix));
            let journal = Journal::open(path, &here, &there).map_err(Failure::Journal)?;
            copier = copier.journal(Arc::new(journal));
        }
        Ok(copier)
    }

    /// Counts the sessions, if the progress bar is shown.
    async fn total(
        &self,
        from: &Arc<dyn Store>,
        output: &Output,
        stop: &mut Stop,
    ) -> Result<Option<u64>, Failure> {
        if output.is_json || !std::io::stderr().is_terminal() || self.ids_from.is_some() {
            return Ok(None);
        }
        let bar = counter("counting", None);
        let mut listing = Listing::new(from, &self.prefix.prefix, false);
        while let Some(page) = listing.page(stop).await? {
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        Ok(Some(bar.position()))
    }

    async fn all(
        &self,
        from: &Arc<dyn Store>,
        work: &mut Work<'_>,
        output: &mut Output,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        if let Some(file) = &self.ids_from {
            for name in names(file, stop).await? {
                match named(from, &self.prefix.prefix, &name, stop).await? {
                    Some(entry) => self.one(entry, work, output, stop).await?,
                    None => work.summary.not_found += 1,
                }
            }
            return Ok(());
        }
        let mut listing = Listing::new(from, &self.prefix.prefix, true);
        while let Some(page) = listing.page(stop).await? {
            for entry in page {
                self.one(entry, work, output, stop).await?;
            }
        }
        Ok(())
    }

    /// Looks for sessions at the destination that the source no longer has.
    async fn missing(
        &self,
        to: &Arc<dyn Store>,
        to_prefix: &str,
        work: &mut Work<'_>,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let delete = self.delete_missing && work.bar.position() > 0;
        if self.delete_missing && !delete {
            human::warn(
                "the source is empty, so nothing is deleted at the destination; check that it is the right source",
            );
        }
        let mut listing = Listing::new(to, to_prefix, true);
        while let Some(page) = listing.page(stop).await? {
            for entry in page {
                let missing = work.copier.missing(entry, delete, Clock::new(None).now()).await;
                if let Some(outcome) = missing.map_err(Failure::Copy)? {
                    work.summary.count(&outcome);
                }
            }
        }
        Ok(())
    }

    async fn one(
        &self,
        entry: Entry,
        work: &mut Work<'_>,
        output: &mut Output,
        stop: &Stop,
    ) -> Result<(), Failure> {
        if stop.is_requested() {
            return Err(Failure::Interrupted);
        }
        if is_match(&self.filter, &entry, Clock::new(None).now()) {
            work.begin(entry, output).await?;
        }
        Ok(())
    }
}

/// Reads the ids from a file, or from standard input.
async fn names(file: &OsString, stop: &mut Stop) -> Result<Vec<String>, Failure> {
    if file == "-" {
        return stop.or(lines_of_input()).await?;
    }
    let path = Some(file.to_string_lossy().escape_debug().to_string());
    let no_file = |source| Failure::NoFile { option: "--ids-from", path: path.clone(), source };
    let lines = BufReader::new(File::open(file).map_err(no_file)?).lines();
    let names = lines.collect::<Result<Vec<_>, _>>().map_err(no_file)?;
    Ok(names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
}

/// Loads the session of an id. Its key is made from the id, because digests do not show ids.
async fn named(
    from: &Arc<dyn Store>,
    prefix: &str,
    name: &str,
    stop: &mut Stop,
) -> Result<Option<Entry>, Failure> {
    for key in candidates(prefix, name).into_iter().filter(|key| !key.is_at_rest()) {
        let stored = stop.or(from.load(&key, Clock::new(None).now())).await?.map_err(Failure::Store)?;
        if let Some(stored) = stored {
            let (bytes, expires) = (stored.data.len(), stored.expires);
            return Ok(Some(Entry { key, bytes, expires, data: Some(stored.data) }));
        }
    }
    Ok(None)
}

/// The copies that are running.
struct Work<'a> {
    copier: Copier,
    /// The sessions that are copied together next, and their size in bytes.
    group: Vec<Entry>,
    group_bytes: usize,
    running: JoinSet<Vec<(Key, Result<Outcome, CopyError>)>>,
    summary: CopySummary,
    bar: ProgressBar,
    prefix: &'a str,
}

impl Work<'_> {
    async fn begin(&mut self, entry: Entry, output: &mut Output) -> Result<(), Failure> {
        self.group_bytes += entry.bytes;
        self.group.push(entry);
        if self.group.len() < GROUP && self.group_bytes < GROUP_BYTES {
            return Ok(());
        }
        while self.running.len() >= GROUPS_AT_ONCE {
            self.next(output).await?;
        }
        self.send();
        Ok(())
    }

    /// Starts the copies of the group.
    fn send(&mut self) {
        let (copier, group) = (self.copier.clone(), std::mem::take(&mut self.group));
        self.group_bytes = 0;
        if !group.is_empty() {
            self.running.spawn(async move { copier.copy_all(group, Clock::new(None).now()).await });
        }
    }

    /// Waits for the running groups. If `is_whole`, starts the last group first.
    async fn rest(&mut self, is_whole: bool, output: &mut Output) -> Result<(), Failure> {
        if is_whole {
            self.send();
        }
        let mut first = Ok(());
        while !self.running.is_empty() {
            let next = self.next(output).await;
            first = first.and(next);
        }
        first
    }

    async fn next(&mut self, output: &mut Output) -> Result<(), Failure> {
        let Some(Ok(group)) = self.running.join_next().await else { return Ok(()) };
        let mut first = Ok(());
        for (key, outcome) in group {
            let one = self.report(&key, outcome, output);
            first = first.and(one);
        }
        first
    }

    fn report(
        &mut self,
        key: &Key,
        outcome: Result<Outcome, CopyError>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        self.bar.inc(1);
        let outcome = outcome.map_err(Failure::Copy)?;
        let Some((reason, detail)) = self.summary.count(&outcome) else { return Ok(()) };
        if output.is_json {
            let is_there = matches!(outcome, Outcome::Copied(_) | Outcome::Updated(_));
            let json = Json::new(is_there).key(key, self.prefix, false);
            return output.json(json.text("reason", reason).text("detail", detail));
        }
        if self.summary.is_shown() {
            let line = format!("{}  {reason}: {detail}", key.short_hash());
            self.bar.suspend(|| output.line(line.as_bytes()).and_then(|()| output.flush()))?;
        }
        Ok(())
    }
}

/// The number of sessions that are copied together.
const GROUP: usize = 256;

/// The size in bytes from which a group is full.
const GROUP_BYTES: usize = 1 << 20;

/// The number of groups that are copied at once. One more group is in memory, while it is filled.
const GROUPS_AT_ONCE: usize = 4;

const EXAMPLES: &str = "\
Examples:
  hipflask store copy redis://127.0.0.1:6379/0 sqlite:app.db
  hipflask store copy env:OLD_STORE env:NEW_STORE            URLs with passwords, in variables
  hipflask store copy --journal move.journal env:OLD_STORE env:NEW_STORE
  hipflask store copy file:./flask_session redis://127.0.0.1 --ids-from ids.txt

If the destination already has a session under the same key:
  the same session    stays; it expires with the source's, if that is later
  another session     stays, and is reported: it may be the newer one
With --journal, sessions that have not changed there since the last run are updated from the source, and sessions that \
were deleted there stay deleted.

To move an app while it runs: copy with --journal as often as you like, switch the app to the new store, and copy once more \
with --delete-missing, which deletes the sessions that were deleted at the source between the runs. Without --journal, do not \
copy again once the app uses the new store: users that have logged out would be logged in again.

A file store keeps its sessions under digests of their ids. Another directory can use them, but every other store needs the \
ids: pass them with --ids-from. Sessions of an app that hashes its ids (strict profile) are copied under their hashes, and \
an app that hashes its ids finds them.

Sessions with values that would change their types (msgpack does not have tuples, JSON does not have bytes) are refused \
without --accept-changes. Flashed messages are always copied, because Flask reads both types. Sessions with values that the \
destination cannot store are refused.

Into a pipe, there is a line of JSON for each session that was not copied unchanged, and a last line with the counts:
  {\"ok\":false,\"hash\":\"1e00519e\",\"reason\":\"refused\",\"detail\":\"..\"}
  {\"ok\":false,\"complete\":true,\"copied\":41,..,\"refused\":1}

Exit code: 0 success, 1 some sessions were not copied, 2 the command failed or was interrupted.";
