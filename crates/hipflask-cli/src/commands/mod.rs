//! The commands: one module each.

mod cookie;
mod key;
mod store;

use std::ffi::{OsStr, OsString};
use std::io;

use clap::{Args, Command, Subcommand};

use crate::failure::Failure;
use crate::human::{self, Page};
use crate::lines;

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Read, check and make session cookies
    Cookie(cookie::CookieArgs),
    /// Make secret keys
    Key(key::KeyArgs),
    /// List, look into, end, count and copy the sessions in a store
    Store(store::StoreArgs),
}

impl Commands {
    /// Carries the command out; whether nothing was refused.
    pub(crate) fn run(self) -> Result<bool, Failure> {
        match self {
            Self::Cookie(arguments) => arguments.run(),
            Self::Key(arguments) => arguments.run(),
            Self::Store(arguments) => arguments.run(),
        }
    }
}

/// What the derive macro cannot say: options that a command takes only because its siblings do are not in its help.
pub(crate) fn polish(command: Command) -> Command {
    command.mut_subcommand("cookie", cookie::polish)
}

/// Fails if the arguments cannot be understood and a password stands among them: clap repeats what it does not understand.
pub(crate) fn explain(error: clap::Error, arguments: impl IntoIterator<Item = OsString>) -> Failure {
    let has_password = |argument: OsString| store::has_password(&argument.to_string_lossy());
    if error.use_stderr() && arguments.into_iter().any(has_password) {
        return Failure::PasswordAmongBadArguments;
    }
    error.exit()
}

/// How an answer is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Form {
    /// Write JSON lines, on a terminal too
    #[arg(long, conflicts_with = "human")]
    json: bool,
    /// Write the page for people, into a pipe too
    #[arg(long)]
    human: bool,
}

impl Form {
    /// Whether the answer is a page, and not JSON.
    fn is_for_people(&self) -> bool {
        !self.json && (self.human || human::is_reading())
    }
}

/// A command that answers a value, or each of a stream of values.
trait Answer {
    /// Appends the answer to `line` as one line of JSON without its end; whether `text` was good.
    fn line(&self, text: &str, line: &mut Vec<u8>) -> bool;

    /// Tells a person the same.
    fn page(&self, text: &str, page: &mut Page) -> bool;
}

/// Answers `value`, or every line of standard input if it is `-`; whether nothing was refused.
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
            page.row("why", "the value is not text in UTF-8, or longer than 1 MiB");
            false
        }
    };
    page.print()?;
    Ok(good)
}

const MALFORMED: &str = "malformed";
