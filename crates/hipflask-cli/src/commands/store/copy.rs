//! `hipflask store copy`: sessions from one store to another.

mod told;

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
use super::listing::{Listing, is_meant};
use super::output::{Json, Output, warn_of_skipped};
use super::place::{Prefix, existing, is_same, ready};
use super::progress::counter;
use super::reference::{candidates, lines_of_input};
use super::stop::Stop;
use crate::clock::{Clock, Span};
use crate::commands::Form;
use crate::failure::Failure;
use crate::human;
use told::Told;

/// Copy live sessions from one store to another; ids and what is left of their lives stay
///
/// The source is never changed. Each session is written in the destination's format (pickle in files, else msgpack), created
/// there and never put in the place of another one; then the source is asked again, so that what was changed or ended
/// meanwhile is changed or ended at the destination, too. Stop it at any moment and run it again: it goes on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Copy {
    /// The store that has the sessions: a URL, or `env:NAME` for the URL in the variable NAME
    from: String,
    /// The store that gets them; a missing table or directory is made
    to: String,
    #[command(flatten)]
    prefix: Prefix,
    /// What the keys begin with at the destination, if that is something else
    #[arg(long, value_name = "TEXT", help_heading = "Where")]
    to_prefix: Option<String>,
    /// Where to remember what was copied. With it a further run brings up to date what changed at the source since, and
    /// leaves ended what was ended at the destination. Holds no secrets
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// With --journal: end at the destination what an earlier run left there, nobody changed since, and the source no longer
    /// has, because it was ended there
    #[arg(long, requires = "journal", conflicts_with_all = ["ids_from", "conditions", "expires_before", "expires_after"])]
    end_missing: bool,
    /// The format of the records at the destination, if the app there has another one than its store's usual
    #[arg(
        long,
        value_parser = PossibleValuesParser::new(["msgpack", "json", "pickle"]).map(|word| match &*word {
            "json" => Format::Json,
            "pickle" => Format::Pickle,
            _ => Format::Msgpack,
        })
    )]
    format: Option<Format>,
    /// Copy sessions whose values become other types there, too, such as tuples that become lists
    #[arg(long)]
    accept_changes: bool,
    /// How long a session lives at the destination that never ends at the source, such as `31d`
    #[arg(long, value_name = "TIME")]
    endless_live: Option<Span>,
    /// Only the sessions with these ids or cookies, one per line; `-` for standard input. The way out of a file store, which
    /// does not know the ids
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
        // Counting skips the same files.
        let counted = from.skipped();
        let mut work = Work {
            copier,
            group: Vec::new(),
            group_bytes: 0,
            running: JoinSet::new(),
            told: Told::default(),
            bar,
            prefix: &self.prefix.prefix,
        };
        let mut done = self.all(&from, &mut work, &mut output, stop).await;
        // What has begun comes to its end, so that the counts are true.
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
        work.told.summary(&mut output, &here.address, &there.address, is_whole)?;
        done.and(rest)?;
        Ok(work.told.left_behind() == 0)
    }

    fn copier(&self, from: &Arc<dyn Store>, to: &Arc<dyn Store>, to_prefix: &str) -> Result<Copier, Failure> {
        let mut copier = Copier::new(from.clone(), to.clone())
            .accept_changes(self.accept_changes)
            .endless_live(self.endless_live.map(|Span(seconds)| Duration::from_secs(seconds)))
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

    /// How many there are, if somebody watches the bar.
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
                    None => work.told.not_found += 1,
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

    /// Goes through the destination for what the source no longer has.
    async fn missing(
        &self,
        to: &Arc<dyn Store>,
        to_prefix: &str,
        work: &mut Work<'_>,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let end = self.end_missing && work.bar.position() > 0;
        if self.end_missing && !end {
            human::warn(
                "the source has no session at all, so nothing is ended at the destination: is it the right one?",
            );
        }
        let mut listing = Listing::new(to, to_prefix, true);
        while let Some(page) = listing.page(stop).await? {
            for entry in page {
                let missing = work.copier.missing(entry, end, Clock::new(None).now()).await;
                if let Some(outcome) = missing.map_err(Failure::Copy)? {
                    work.told.count(&outcome);
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
        if stop.is_wanted() {
            return Err(Failure::Interrupted);
        }
        if is_meant(&self.filter, &entry, Clock::new(None).now()) {
            work.begin(entry, output).await?;
        }
        Ok(())
    }
}

/// The ids of a file, or of standard input.
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

/// The session of an id under the key that the id makes, which no digest tells.
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

/// Sessions under way.
struct Work<'a> {
    copier: Copier,
    /// The sessions that go to the destination together, and their size in bytes.
    group: Vec<Entry>,
    group_bytes: usize,
    running: JoinSet<Vec<(Key, Result<Outcome, CopyError>)>>,
    told: Told,
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

    /// Lets the group begin.
    fn send(&mut self) {
        let (copier, group) = (self.copier.clone(), std::mem::take(&mut self.group));
        self.group_bytes = 0;
        if !group.is_empty() {
            self.running.spawn(async move { copier.copy_all(group, Clock::new(None).now()).await });
        }
    }

    /// Waits for the groups under way. If `is_whole`, the group that has not begun is sent first.
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
        let Some((reason, detail)) = self.told.count(&outcome) else { return Ok(()) };
        if output.is_json {
            let is_there = matches!(outcome, Outcome::Copied(_) | Outcome::Updated(_));
            let json = Json::new(is_there).key(key, self.prefix, false);
            return output.json(json.text("reason", reason).text("detail", detail));
        }
        if self.told.is_shown() {
            let line = format!("{}  {reason}: {detail}", key.short_hash());
            self.bar.suspend(|| output.line(line.as_bytes()).and_then(|()| output.flush()))?;
        }
        Ok(())
    }
}

/// Sessions that go to the destination together.
const GROUP: usize = 256;

/// Bytes after which a group is full; a session more may be in it.
const GROUP_BYTES: usize = 1 << 20;

/// With the one that is being filled there is one group more in memory.
const GROUPS_AT_ONCE: usize = 4;

const EXAMPLES: &str = "\
Examples:
  hipflask store copy redis://127.0.0.1:6379/0 sqlite:app.db
  hipflask store copy env:OLD_STORE env:NEW_STORE            URLs with passwords, in variables
  hipflask store copy --journal move.journal env:OLD_STORE env:NEW_STORE
  hipflask store copy file:./flask_session redis://127.0.0.1 --ids-from ids.txt

What is there already at the destination:
  the same session    stays; it lives as long as the source's, if that is longer
  another session     stays, and is reported: it may be the newer one
With --journal, what a run left there and nobody touched since is brought up to date with the source, and what was ended \
there since stays ended.

To move an app while it runs: copy with --journal as often as you like, let the app use the new store, and copy a last \
time with --end-missing, which ends what was ended at the source between the runs. Without --journal do not copy again \
once the app uses the new store: who logged out there would be logged in.

A file store keeps its sessions under digests of their ids. Another directory can have them; every other store needs the \
ids themselves: give them with --ids-from. What the app hashes at rest (strict profile) is copied under its hash, and \
found by an app that hashes, too.

What the destination would hold as another type (msgpack has no tuples, JSON no bytes) is refused unless \
--accept-changes; flash messages are copied, as Flask reads them either way. What it cannot hold at all is refused.

Into a pipe there is a line of JSON for each session that was not copied as it is, and a last one with the counts:
  {\"ok\":false,\"hash\":\"1e00519e\",\"reason\":\"refused\",\"detail\":\"..\"}
  {\"ok\":false,\"complete\":true,\"copied\":41,..,\"refused\":1}

Exit code: 0 all are there, 1 some are not, 2 the command could not be carried out or to its end.";
