//! The commands: one module each.

mod completions;
mod cookie;
mod key;
mod man;
#[cfg(feature = "play")]
mod play;
mod store;

use std::ffi::{OsStr, OsString};
use std::io;

use clap::{Args, Command, Subcommand};

use crate::failure::Failure;
use crate::human::{self, Page};
use crate::lines;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Read, check and sign session cookies
    Cookie(cookie::CookieArgs),
    /// Generate secret keys
    Key(key::KeyArgs),
    /// List, show, delete, count and copy the sessions in a store
    Store(store::StoreArgs),
    #[cfg(feature = "play")]
    Play(play::Play),
    Completions(completions::Completions),
    Man(man::ManPages),
}

impl Commands {
    /// Runs the command. Returns `true` if nothing was refused.
    ///
    /// `whole` describes the whole command.
    pub(crate) fn run(self, whole: impl FnOnce() -> Command) -> Result<bool, Failure> {
        match self {
            Self::Cookie(arguments) => arguments.run(),
            Self::Key(arguments) => arguments.run(),
            Self::Store(arguments) => arguments.run(),
            #[cfg(feature = "play")]
            Self::Play(arguments) => arguments.run(),
            Self::Completions(arguments) => arguments.run(&mut whole()),
            Self::Man(arguments) => arguments.run(whole()),
        }
    }
}

/// Hides options from the help of commands that accept them only because the other commands do.
pub(crate) fn polish(command: Command) -> Command {
    command.mut_subcommand("cookie", cookie::polish)
}

/// Reports wrong arguments. Does not leave that to clap if they contain a password, because clap
/// repeats them.
pub(crate) fn explain(error: clap::Error, arguments: impl IntoIterator<Item = OsString>) -> Failure {
    let has_password = |argument: OsString| store::has_password(&argument.to_string_lossy());
    if error.use_stderr() && arguments.into_iter().any(has_password) {
        return Failure::PasswordAmongBadArguments;
    }
    error.exit()
}

/// The format of the output.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Form {
    /// Write JSON lines even on a terminal
    #[arg(long, conflicts_with = "human")]
    json: bool,
    /// Write the page for people even into a pipe
    #[arg(long)]
    human: bool,
}

impl Form {
    /// Returns `true` if the output is a page, and not JSON.
    fn is_for_people(&self) -> bool {
        !self.json && (self.human || human::is_reading())
    }
}

/// A command that processes one value, or each of a stream of values.
trait Answer {
    /// Appends the result to `line` as JSON without a line break. Returns `true` if `text` was accepted.
    fn line(&self, text: &str, line: &mut Vec<u8>) -> bool;

    /// Writes the result for people. Returns `true` if `text` was accepted.
    fn page(&self, text: &str, page: &mut Page) -> bool;
}

/// Processes `value`, or every line of standard input if it is `-`. Returns `true` if nothing was refused.
fn answer(command: &impl Answer, value: &OsStr, form: &Form) -> Result<bool, Failure> {
    let line = |text: Option<&str>, line: &mut Vec<u8>| match text {
        Some(text) => command.line(text, line),
        None => {
            lines::refuse(line, MALFORMED);
            false
        }
    };
    if value == "-" {
        if form.human {
            return Err(Failure::HumanLines);
        }
        let (input, output) = lines::standard();
        return lines::answer_each(input, output, line);
    }
    let text = lines::text(value.as_encoded_bytes());
    if !form.is_for_people() {
        let mut answer = Vec::new();
        let good = line(text, &mut answer);
        answer.push(b'\n');
        lines::print(io::stdout(), &answer)?;
        return Ok(good);
    }
    let mut page = Page::default();
    let good = match text {
        Some(text) => command.page(text, &mut page),
        None => {
            page.bad("Refused: malformed");
            page.row("why", "the value is not UTF-8, or longer than 1 MiB");
            false
        }
    };
    page.print()?;
    Ok(good)
}

const MALFORMED: &str = "malformed";
