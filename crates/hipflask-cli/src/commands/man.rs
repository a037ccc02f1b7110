//! `hipflask man`: the man pages, for packages.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::failure::Failure;

/// Write the man pages into a folder
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct ManPages {
    /// The folder, which must exist
    folder: PathBuf,
}

impl ManPages {
    pub(crate) fn run(self, whole: Command) -> Result<bool, Failure> {
        let whole = whole.disable_help_subcommand(true);
        clap_mangen::generate_to(whole, &self.folder)
            .map_err(|source| Failure::ManPages { folder: self.folder.display().to_string(), source })?;
        Ok(true)
    }
}
