//! `hipflask store purge`: deletes expired sessions.

use clap::Args;

use super::output::{Json, Output, SKIPPED};
use super::place::Place;
use super::progress::counter;
use super::stop::Stop;
use crate::clock::Clock;
use crate::commands::Form;
use crate::failure::Failure;
use crate::human::{self, Page};

/// Delete expired sessions
///
/// Files and SQL tables keep expired sessions, so run this once a day. The other stores delete them
/// automatically.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Purge {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

impl Purge {
    pub(super) async fn run(self, stop: &mut Stop) -> Result<bool, Failure> {
        let store = self.place.connect(stop).await?;
        let bar = counter("purging", None);
        let purged = stop.or(store.purge_expired(Clock::new(None).now())).await?.map_err(Failure::Store)?;
        bar.finish_and_clear();
        let description = store.describe();
        let mut output = Output::new(&self.form);
        if output.is_json {
            let by_itself = description.expires_by_itself;
            let json = Json::new(true).raw("purged", purged).raw("skipped", store.skipped());
            output.json(json.raw("expires_by_itself", by_itself))?;
        } else {
            let mut page = Page::default();
            if description.expires_by_itself {
                page.good(&format!(
                    "Nothing to do: {} deletes expired sessions automatically",
                    description.kind
                ));
            } else {
                page.good(&format!("{} purged", human::count(purged, "expired session")));
            }
            page.row("store", &description.address);
            if store.skipped() > 0 {
                page.row("skipped", &format!("{}: {SKIPPED}", human::number(store.skipped())));
            }
            output.line(page.text().as_bytes())?;
        }
        output.flush()?;
        Ok(true)
    }
}

const EXAMPLES: &str = "\
Examples:
  hipflask store purge --store file:/srv/app/flask_session
  HIPFLASK_STORE=postgres://app@db/app hipflask store purge      in a timer, once a day

Into a pipe, the result is one line of JSON:
  {\"ok\":true,\"purged\":12,\"skipped\":0,\"expires_by_itself\":false}

`skipped` counts files that have the name of a session file but are not this user's: a directory, a link, a pipe, a file \
of another user, a locked file. They are not touched.

Exit code: 0 success, 2 the command failed.";
