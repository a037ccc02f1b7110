//! `hipflask play`: a page on this machine to try out cookies.

mod pages;
mod server;

use clap::Args;

use crate::failure::Failure;

/// Open a page on this machine to decode, verify, edit and sign cookies
///
/// Only programs on this machine reach the page. Cookies and keys that you type into it are sent to
/// this command and nowhere else, and are not stored.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hipflask play\n\nCtrl-C stops it.")]
pub(crate) struct Play {
    /// The port of the page; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

impl Play {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::Runtime)?.block_on(server::serve(self.port))?;
        Ok(true)
    }
}
