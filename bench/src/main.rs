//! The cookie benchmark. `--help` explains how to use it.

mod count;
#[cfg(feature = "peers")]
mod flask;
#[cfg(feature = "peers")]
mod floor;
mod measure;
mod native;
mod ours;
mod payload;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "peers")]
mod report;
mod typed;

use std::process::ExitCode;

const HELP: &str = "\
Times the cookies of Hipflask and other libraries, and counts Hipflask's instructions.

Usage: cargo run --release -- [COMMAND] [OPTIONS]      (in bench/)

  (no command)      times everything, in turns, and shows which targets are met; about a minute and a half
      --quick       a few rounds, to check that it runs; do not quote its numbers
      --rounds N    the number of rounds [200]
      --only TEXT   only rows whose name contains TEXT, such as decode-all/M; skips targets without a peer
      --no-flask    without real Flask, which `cargo xtask setup` puts into target/flask-venv
      --json        for programs
  list              the names of all rows
  gate              counts instructions with valgrind; fails if an operation grew by more than 5 %
  accept            makes the current counts the baseline of `gate` (bench/instructions.json)
  native            also times the MACs in a build for this processor, which must not be slower

Times are for people: medians of CPU time on this machine. A missed target is not an error. Compare ratios, not
nanoseconds. `gate` is for machines: the same code gives the same counts everywhere. `gate`, `accept` and `native` do not
need the peers: with `--no-default-features` before the `--` they build in less than a minute.

Names are operation/payload/peer, such as open-last-key/M/ours. Payloads: S {\"username\":\"alice\"}, M 378 bytes of JSON,
L 2.9 kB. `-deflated` is the cookie as Flask sends it. README.md explains what is measured, with the results.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            Ok(true)
        }
        ["gate"] => count::gate(),
        ["accept"] => count::accept().map(|()| true),
        ["native"] => native::compare(),
        ["count", operation] => count::run_counted(operation).map(|()| true),
        ["macs"] => {
            println!("{}", serde_json::json!(native::macs()));
            Ok(true)
        }
        options => match times(options) {
            Err(Failure::Usage(complaint)) => {
                eprintln!("{complaint}\n\n{HELP}");
                return ExitCode::from(2);
            }
            Err(Failure::Failed(complaint)) => Err(complaint),
            Ok(()) => Ok(true),
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage(String),
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "only timing can fail in this way"))]
    Failed(String),
}

#[cfg(not(feature = "peers"))]
fn times(_: &[&str]) -> Result<(), Failure> {
    Err(Failure::Usage("this build has no peers: leave out `--no-default-features`".to_owned()))
}

#[cfg(feature = "peers")]
fn times(options: &[&str]) -> Result<(), Failure> {
    use measure::{Plan, measure};

    let options = Options::parse(options).map_err(Failure::Usage)?;
    let flask = if options.flask { Some(flask::Flask::start().map_err(Failure::Failed)?) } else { None };
    let mut rows = rows(flask.as_ref());
    rows.retain(|row| row.name.contains(&options.only));
    if rows.is_empty() {
        return Err(Failure::Usage(format!("no row's name contains `{}`; `list` shows all", options.only)));
    }
    if options.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(());
    }
    let plan = Plan { rounds: options.rounds, batch: if options.quick { 200_000 } else { 1_000_000 } };
    measure(&mut rows, plan, |round| {
        if round % 10 == 0 {
            eprint!("\r{} rows, round {round} of {} ", row_filter(&options), plan.rounds);
        }
    });
    eprintln!("\r{:<40}\r", "");
    let report = report::Report::new(&rows, flask.map(|flask| flask.versions()));
    if options.json {
        report.print_json()
    } else {
        report.print()
    }
    Ok(())
}

#[cfg(feature = "peers")]
fn rows(flask: Option<&flask::Flask>) -> Vec<measure::Row> {
    use hipflask_core::signing::Compression;
    use measure::Row;

    let mut rows = Vec::new();
    for payload in payload::ALL {
        for operation in ours::operations(payload) {
            rows.push(Row::new(format!("{}/{}/ours", operation.name, payload.name), operation.run));
        }
        rows.extend(peers::rows(payload));
        rows.extend(floor::rows(payload));
        if let Some(flask) = flask {
            for compression in [Compression::Never, Compression::WhenItPays, Compression::AsFlask] {
                flask.check(payload, &ours::cookie(payload, compression));
            }
            let run = ours::decode_cookie(payload, flask.cookie(payload));
            rows.push(Row::new(format!("decode-flask-cookie/{}/ours", payload.name), run));
        }
    }
    rows.extend(flask.map(flask::Flask::rows).unwrap_or_default());
    rows
}

#[cfg(feature = "peers")]
fn row_filter(options: &Options) -> &str {
    if options.only.is_empty() { "all" } else { &options.only }
}

#[cfg(feature = "peers")]
struct Options {
    quick: bool,
    json: bool,
    list: bool,
    flask: bool,
    rounds: u32,
    only: String,
}

#[cfg(feature = "peers")]
impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options =
            Self { quick: false, json: false, list: false, flask: true, rounds: 200, only: String::new() };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("option `{word}` needs a value"));
            match word {
                "--quick" => (options.quick, options.rounds) = (true, 15),
                "--json" => options.json = true,
                "--no-flask" => options.flask = false,
                "list" => options.list = true,
                "--only" => options.only = (*value()?).to_owned(),
                "--rounds" => {
                    let rounds = value()?;
                    let number = rounds.parse().ok().filter(|&rounds| rounds > 0);
                    options.rounds = number.ok_or_else(|| format!("`{rounds}` is not a number of rounds"))?;
                }
                other => return Err(format!("unknown command or option `{other}`")),
            }
        }
        Ok(options)
    }
}
