//! `hipflask key`: secret keys.

use std::io;

use clap::{Args, Subcommand};
use hipflask_core::hex;
use hipflask_core::signing::SecretKey;

use crate::failure::Failure;
use crate::{human, lines};

/// Arguments of `key`.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  export SECRET_KEY=\"$(hipflask key new)\""
)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Generate a key from random bytes, in hex
    ///
    /// The bytes come from the operating system. The key has the format of Python's
    /// `secrets.token_hex()`. Set it as the app's SECRET_KEY.
    #[command(after_help = NEW_EXAMPLES)]
    New {
        /// The number of random bytes, at least 16; each is two characters
        #[arg(long, value_name = "N", default_value_t = 32)]
        bytes: usize,
    },
}

impl KeyArgs {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        let KeyCommand::New { bytes } = self.command;
        if bytes < SecretKey::SHORTEST {
            return Err(Failure::ShortKey { bytes });
        }
        if bytes > LONGEST {
            return Err(Failure::LongKey { bytes, limit: LONGEST });
        }
        let mut key = vec![0; bytes];
        getrandom::fill(&mut key).map_err(Failure::NoRandomness)?;
        let mut text = hex::encode(&key);
        text.push('\n');
        lines::print(io::stdout(), text.as_bytes())?;
        if human::is_reading() {
            human::hint(ADVICE);
        }
        Ok(true)
    }
}

const LONGEST: usize = 1024;

const NEW_EXAMPLES: &str = "\
Examples:
  export SECRET_KEY=\"$(hipflask key new)\"
  (umask 077; hipflask key new > secret.key)     a file that only you can read

To replace a key without logging users out, keep the old one in SECRET_KEY_FALLBACKS until the oldest session \
has expired: 31 days, unless the app sets another lifetime.";

const ADVICE: &str = "\
Set it as the app's SECRET_KEY, outside the source code. If it replaces a key, keep the old one in \
SECRET_KEY_FALLBACKS for a while, or all users are logged out.";
