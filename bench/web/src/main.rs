//! The web server benchmark. `--help` explains how to use it.

mod cores;
mod in_process;
mod load;
mod login;
mod loopback;
mod machine;
#[path = "../../src/measure.rs"]
#[expect(dead_code, reason = "the rows there have names and check their answers")]
mod measure;
mod minimal_layer;
mod on_actix;
mod on_axum;
mod operations;
#[path = "../../src/payload.rs"]
#[expect(dead_code, reason = "the cookie benchmark uses more of it")]
mod payload;
mod peer;
mod reply;
mod report;
mod visit;

use std::process::ExitCode;
use std::time::Duration;

use peer::Peer;

const HELP: &str = "\
Times web servers with Hipflask's sessions, without sessions, and with other session libraries.

Usage: cargo run --release -p hipflask-bench-web -- COMMAND [OPTIONS]      (in bench/)

  in-process        the apps called as functions, without sockets; half a minute
  loopback          each app as a server on one core, a load generator on another; five minutes; needs two cores
  login             what a user's login adds to a request that reads its session; half a minute
  peers             the names of the peers

      --quick       a few rounds, to check that it runs; do not quote its numbers
      --rounds N    the number of rounds [in-process and login 300, loopback 20]
      --only TEXT   only rows whose name contains TEXT, such as read/M/ours or tower, and the bare frameworks
      --json        for programs
      --markdown    the tables of README.md

Names are operation/payload/peer. Operations: `untouched` sends the cookie to a handler that does not use the session,
`read` reads one text, `write` reads a number and sets it to one more. Payloads: S {\"username\":\"alice\"}, M 378 bytes of
JSON. Every answer is compared, and after each round another request checks that the writes were saved.

All rows take turns in each round; the tables show medians. CPU time is valid on a busy machine; requests per second and
latencies are not, so run `loopback` when nothing else runs. It opens ports on 127.0.0.1 only.
A missed target is not an error. README.md has the results.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            Ok(())
        }
        ["peers"] => {
            Peer::ALL.iter().for_each(|peer| println!("{}", peer.name()));
            Ok(())
        }
        ["serve", peer, core] => loopback::serve(peer, core).map_err(Failure::Failed),
        ["in-process", options @ ..] => Options::parse(options, 300).and_then(in_process),
        ["login", options @ ..] => Options::parse(options, 300).and_then(logins),
        ["loopback", options @ ..] => Options::parse(options, 20).and_then(over_loopback),
        [] => Err(Failure::Usage("missing command: in-process, login or loopback".to_owned())),
        [other, ..] => Err(Failure::Usage(format!("unknown command `{other}`"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(complaint)) => {
            eprintln!("{complaint}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(complaint)) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage(String),
    Failed(String),
}

fn in_process(options: Options) -> Result<(), Failure> {
    let batch = if options.quick { 200_000 } else { 1_000_000 };
    let plan = measure::Plan { rounds: options.rounds.unwrap_or(options.usual), batch };
    let report = report::InProcess(in_process::run(plan, &options.only).map_err(Failure::Failed)?);
    match options.form {
        Form::Text => report.print(),
        Form::Json => report.print_json(),
        Form::Markdown => report.print_markdown(),
    }
    Ok(())
}

fn logins(options: Options) -> Result<(), Failure> {
    let batch = if options.quick { 200_000 } else { 1_000_000 };
    let plan = measure::Plan { rounds: options.rounds.unwrap_or(options.usual), batch };
    let report = report::Logins(login::run(plan));
    match options.form {
        Form::Text => report.print(),
        Form::Json => report.print_json(),
        Form::Markdown => report.print_markdown(),
    }
    Ok(())
}

fn over_loopback(options: Options) -> Result<(), Failure> {
    let time = Duration::from_millis(if options.quick { 100 } else { 200 });
    let plan = loopback::Plan { rounds: options.rounds.unwrap_or(options.usual), time };
    let report = report::Loopback(loopback::run(plan, &options.only).map_err(Failure::Failed)?);
    match options.form {
        Form::Text => report.print(),
        Form::Json => report.print_json(),
        Form::Markdown => report.print_markdown(),
    }
    Ok(())
}

/// The output format.
enum Form {
    Text,
    Json,
    Markdown,
}

struct Options {
    quick: bool,
    form: Form,
    rounds: Option<u32>,
    usual: u32,
    only: String,
}

impl Options {
    fn parse(words: &[&str], usual: u32) -> Result<Self, Failure> {
        let mut options = Self { quick: false, form: Form::Text, rounds: None, usual, only: String::new() };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| Failure::Usage(format!("option `{word}` needs a value")));
            match word {
                "--quick" => (options.quick, options.usual) = (true, usual / 20),
                "--json" => options.form = Form::Json,
                "--markdown" => options.form = Form::Markdown,
                "--only" => options.only = (*value()?).to_owned(),
                "--rounds" => {
                    let rounds = value()?;
                    let number = rounds.parse().ok().filter(|&rounds| rounds > 0);
                    options.rounds =
                        Some(number.ok_or_else(|| {
                            Failure::Usage(format!("`{rounds}` is not a number of rounds"))
                        })?);
                }
                other => return Err(Failure::Usage(format!("unknown option `{other}`"))),
            }
        }
        Ok(options)
    }
}
