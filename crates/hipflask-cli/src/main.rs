//! The `hipflask` command: Flask's session cookies, and the sessions in stores.
//!
//! It only translates: arguments and lines in, JSON lines or a page for people out. What is decided is decided in
//! `hipflask-core` and `hipflask-store`. Standard output carries data, standard error everything else; the exit code is 0 if all was good,
//! 1 if something was refused, 2 if the command could not be carried out.

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
    about = "Look into Flask's sessions, in cookies and in stores",
    long_about = "Look into Flask's sessions, in cookies and in stores.\n\n\
        Flask keeps a visitor's session in a signed cookie. Anybody can read it; only who has the app's SECRET_KEY can \
        make one. This command does both as Flask does, to the byte. Flask-Session keeps sessions in a store, such as \
        Redis, a database or a directory; there this command lists them, looks into them, ends and copies them.",
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

/// Whether nothing was refused.
fn run() -> Result<bool, Failure> {
    keys::refuse_on_the_command_line(std::env::args_os().skip(1))?;
    let matches = commands::polish(Cli::command()).try_get_matches();
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command.run(),
        Err(error) => Err(commands::explain(error, std::env::args_os().skip(1))),
    }
}

/// What a shell reports of a process that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  What does this cookie hold? No key needed:
      hipflask cookie decode eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74
  Would the app accept it? The key is in the variable SECRET_KEY:
      hipflask cookie verify --key-env SECRET_KEY VALUE
  A cookie for a test:
      hipflask cookie sign --key-env SECRET_KEY '{\"user\": \"ada\"}'
  A good key for a new app:
      hipflask key new
  Who is logged in? And now out?
      hipflask store ls --store redis://127.0.0.1:6379/0
      hipflask store rm --store redis://127.0.0.1:6379/0 --where user_id=7

`hipflask COMMAND --help` explains more. Exit code: 0 all good, 1 something was refused, 2 the command \
could not be carried out.";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());
