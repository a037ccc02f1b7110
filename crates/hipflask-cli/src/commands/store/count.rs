//! `hipflask store count`: counts sessions.

use clap::Args;

use super::filter::Filter;
use super::listing::{Listing, is_match};
use super::output::{Json, Output, warn_of_skipped};
use super::place::Place;
use super::progress::counter;
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human::{self, Page};

/// Count sessions and their bytes
///
/// Expired sessions are not counted. The store is read once, page by page.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Count {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    form: Form,
}

impl Count {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        let store = self.place.connect(stop).await?;
        let mut listing = Listing::new(&store, &self.place.prefix.prefix, self.filter.needs_data());
        let (mut count, mut bytes) = (0_u64, 0_u64);
        let bar = counter("counting", None);
        while let Some(page) = listing.page(stop).await? {
            let now = Clock::new(None).now();
            for entry in page.iter().filter(|entry| is_match(&self.filter, entry, now)) {
                (count, bytes) = (count + 1, bytes + entry.bytes as u64);
            }
            bar.set_position(count);
        }
        bar.finish_and_clear();
        warn_of_skipped(store.skipped());
        let mut output = Output::new(&self.form);
        if output.is_json {
            output.json(Json::new(true).raw("sessions", count).raw("bytes", bytes))?;
        } else {
            let mut page = Page::default();
            page.good(&human::sessions(count));
            page.row("store", &store.describe().address);
            page.row("size", &human::size(bytes));
            output.line(page.text().as_bytes())?;
        }
        output.flush()?;
        Ok(true)
    }
}

const EXAMPLES: &str = "\
Examples:
  hipflask store count --store redis://127.0.0.1:6379/0
  hipflask store count --where user_id=7
  hipflask store count --expires-before 1h | jq .sessions

Into a pipe, the result is one line of JSON:
  {\"ok\":true,\"sessions\":12,\"bytes\":4096}

Exit code: 0 success, 2 the command failed.";
