//! The Redis benchmark. `--help` explains how to use it.

#[path = "../../web/src/cores.rs"]
mod cores;
mod floor;
#[path = "../../web/src/load.rs"]
mod load;
#[path = "../../web/src/machine.rs"]
mod machine;
#[path = "../../web/src/minimal_layer.rs"]
mod minimal_layer;
mod on_actix;
mod on_axum;
#[path = "../../web/src/operations.rs"]
mod operations;
#[path = "../../src/payload.rs"]
#[expect(dead_code, reason = "the cookie benchmark uses more of it")]
mod payload;
mod peer;
#[path = "../../web/src/reply.rs"]
#[expect(dead_code, reason = "the web server benchmark uses more of it")]
mod reply;
mod report;
mod run;
mod server;
mod stores;

use std::process::ExitCode;

const HELP: &str = "\
Times web servers with Hipflask's sessions in Redis, with bare GET and SET, and with other session libraries.

Usage: cargo run --release -p hipflask-bench-redis -- [OPTIONS]            (in bench/)
       cargo run --release -p hipflask-bench-redis -- stores               our file and SQLite stores against bare files and rows

      --quick       a few rounds, to check that it runs; do not quote its numbers
      --rounds N    the number of rounds [20]
      --per-second N   sends each server N requests a second, instead of the next one after each answer
      --only TEXT   only rows whose name contains TEXT, such as read/M/ours, and the bare client
      --json        for programs

Each app is a server of one thread on one core; Redis and the load generator share another. Eight clients send requests at
the same time, each with its own session. Every answer is compared, and at the end every session must have counted each of its
visits. You need redis-server and two cores. Flask-Session needs `cargo xtask setup`; without it, the benchmark skips
Flask-Session and says so.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            Ok(())
        }
        ["serve", peer, core, url] => server::serve(peer, core, url),
        ["stores"] => stores::run(),
        options => Options::parse(options).and_then(|options| run::run(&options)).map(|rows| {
            let json = options.contains(&"--json");
            report::print(&rows, json);
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

pub struct Options {
    pub rounds: u32,
    pub millis: u64,
    pub only: String,
    pub per_second: Option<u32>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { rounds: 20, millis: 200, only: String::new(), per_second: None };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("option `{word}` needs a value"));
            match word {
                "--quick" => (options.rounds, options.millis) = (2, 100),
                "--json" => {}
                "--only" => options.only = (*value()?).to_owned(),
                "--rounds" => options.rounds = number(value()?)?,
                "--per-second" => options.per_second = Some(number(value()?)?),
                other => return Err(format!("unknown option `{other}`\n\n{HELP}")),
            }
        }
        Ok(options)
    }
}

fn number(word: &str) -> Result<u32, String> {
    word.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("`{word}` is not a number above 0"))
}
