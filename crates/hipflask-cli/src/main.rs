//! The `hipflask` command: Flask's session cookies, and the sessions in stores.
//!
//! This crate only translates: it reads arguments and lines, and writes JSON lines or a page for
//! people. `hipflask-core` and `hipflask-store` make all decisions. Data goes to standard output,
//! everything else to standard error. The exit code is 0 on success, 1 if a value was refused, and
//! 2 if the command failed.

mod clock;
mod commands;
mod failure;
mod human;
mod keys;
mod lines;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::Commands;
use crate::failure::Failure;

/// Flask's sessions on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "hipflask",
    version,
    about = "Inspect Flask's sessions, in cookies and in stores",
    long_about = "Inspect Flask's sessions, in cookies and in stores.\n\n\
        Flask keeps a user's session in a signed cookie. Anybody can read it, but only the app's SECRET_KEY can sign it. \
        This command reads and signs cookies exactly as Flask does. Flask-Session keeps sessions in a store, such as \
        Redis, a database or a directory. There this command lists, shows, deletes and copies sessions.",
    after_help = EXAMPLES,
    after_long_help = EXAMPLES,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
    styles = STYLES
)]
struct Cli {
    #[command(subcommand)]
    command: Commands,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(failure) => {
            human::complain(&failure);
            ExitCode::from(2)
        }
    }
}

/// Runs the command. Returns `true` if nothing was refused.
fn run() -> Result<bool, Failure> {
    keys::refuse_on_the_command_line(std::env::args_os().skip(1))?;
    let whole = || commands::polish(Cli::command());
    let matches = whole().try_get_matches();
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command.run(whole),
        Err(error) => Err(commands::explain(error, std::env::args_os().skip(1))),
    }
}

/// The exit code that shells report for a process stopped by Ctrl-C.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  Show a cookie. This does not need a key:
      hipflask cookie decode eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74
  Check whether the app would accept it. The key is in the variable SECRET_KEY:
      hipflask cookie verify --key-env SECRET_KEY VALUE
  Sign a cookie for a test:
      hipflask cookie sign --key-env SECRET_KEY '{\"user\": \"ada\"}'
  Generate a key for a new app:
      hipflask key new
  Show who is logged in, and log out one user:
      hipflask store ls --store redis://127.0.0.1:6379/0
      hipflask store rm --store redis://127.0.0.1:6379/0 --where user_id=7

`hipflask COMMAND --help` explains more. Exit code: 0 success, 1 a value was refused, 2 the command failed.";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());
