//! `hipflask store ls`: lists sessions.

use clap::Args;

use super::filter::Filter;
use super::listing::{Listing, is_match, read};
use super::output::{Output, Table, listed, warn_of_skipped};
use super::place::Place;
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human;

/// List sessions with their expiry, sizes and keys
///
/// A session is shown as a short hash, the same as in the app's log. Its id is a secret: with it,
/// anybody can log in as the user.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ls {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// The greatest number of sessions
    #[arg(long, value_name = "N", help_heading = "Which sessions")]
    limit: Option<u64>,
    /// Show ids instead of hashes, and in JSON both; a file store shows the names of its files
    #[arg(long, help_heading = "Output")]
    ids: bool,
    #[command(flatten)]
    form: Form,
}

impl Ls {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        let store = self.place.connect(stop).await?;
        let prefix = &self.place.prefix.prefix;
        let mut listing = Listing::new(&store, prefix, true);
        let mut output = Output::new(&self.form);
        let mut table = Table::new(self.ids);
        let (mut count, mut bytes, mut all_good) = (0_u64, 0_u64, true);
        let mut is_cut = self.limit == Some(0);
        while !is_cut && output.has_reader() {
            let Some(page) = listing.page(stop).await? else { break };
            let now = Clock::new(None).now();
            for entry in page.iter().filter(|entry| is_match(&self.filter, entry, now)) {
                if self.limit == Some(count) {
                    is_cut = true;
                    break;
                }
                (count, bytes) = (count + 1, bytes + entry.bytes as u64);
                all_good &= read(entry).is_none_or(|(_, record)| record.is_ok());
                if output.is_json {
                    output.json(listed(entry, prefix, self.ids))?;
                } else {
                    table.row(&mut output, entry, prefix, now)?;
                }
            }
            output.flush()?;
        }
        if !output.is_json && output.has_reader() {
            let place = store.describe().address;
            let cut = if is_cut { "; there are more (--limit)" } else { "" };
            human::hint(&format!("{} in {place}, {}{cut}", human::sessions(count), human::size(bytes)));
        }
        if output.has_reader() {
            warn_of_skipped(store.skipped());
        }
        Ok(all_good)
    }
}

const EXAMPLES: &str = "\
Examples:
  hipflask store ls --store file:./flask_session
  hipflask store ls --store redis://127.0.0.1:6379/0 --where user_id=7
  hipflask store ls --expires-before 1h --limit 20          the store is in HIPFLASK_STORE
  hipflask store ls | jq -r 'select(.bytes > 4096).hash'

Into a pipe, each session is one line of JSON:
  {\"ok\":true,\"hash\":\"1e00519e\",\"expires_at\":1700000000,\"bytes\":21,\"format\":\"msgpack\",\"keys\":[\"_permanent\",\"a\"]}
  {\"ok\":false,\"hash\":\"1e00519e\",..,\"reason\":\"unreadable\",\"detail\":\"..\"}   not a session

Exit code: 0 success, 1 a session cannot be read, 2 the command failed.";
