//! Prints the medians and targets, as tables for people or JSON for programs.

use serde_json::{Value, json};

use crate::machine;
use crate::operations::Operation;
use crate::payload::{ALL, Payload};
use crate::peer::Peer;
use crate::run::Row;

/// The highest CPU time relative to the bare client, for S, M and L.
const TARGETS: [(Operation, [f64; 3]); 2] =
    [(Operation::Read, [1.10, 1.15, 1.4]), (Operation::Write, [1.15, 1.2, 1.4])];
/// The highest number of commands.
const COMMANDS: [(Operation, f64); 3] =
    [(Operation::Untouched, 0.0), (Operation::Read, 1.0), (Operation::Write, 2.0)];

struct Verdict {
    goal: String,
    reached: f64,
    target: f64,
}

impl Verdict {
    fn passes(&self) -> bool {
        self.reached <= self.target
    }
}

fn find(rows: &[Row], peer: Peer, operation: Operation, payload: Payload) -> Option<&Row> {
    rows.iter().find(|row| (row.peer, row.operation, row.payload.name) == (peer, operation, payload.name))
}

/// The CPU time relative to the bare client.
fn ratio(rows: &[Row], row: &Row) -> Option<f64> {
    Some(row.cpu / find(rows, Peer::Bare, row.operation, row.payload)?.cpu)
}

fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (operation, targets) in TARGETS {
        for (payload, target) in ALL.into_iter().zip(targets) {
            let Some(row) = find(rows, Peer::Ours, operation, payload) else { continue };
            let goal = format!("{} {}, CPU time relative to the bare client", payload.name, operation.name());
            verdicts.extend(ratio(rows, row).map(|reached| Verdict { goal, reached, target }));
        }
    }
    for (operation, target) in COMMANDS {
        for payload in ALL {
            let Some(row) = find(rows, Peer::Ours, operation, payload) else { continue };
            let goal = format!("{} {}, round trips to Redis", payload.name, operation.name());
            verdicts.push(Verdict { goal, reached: (row.trips * 10.0).round() / 10.0, target });
        }
    }
    verdicts
}

pub fn print(rows: &[Row], as_json: bool) {
    let verdicts = verdicts(rows);
    if as_json {
        let row = |row: &Row| {
            json!({
                "name": format!("{}/{}/{}", row.operation.name(), row.payload.name, row.peer.name()),
                "per_second": row.per_second, "p50_us": row.p50, "cpu_us": row.cpu, "ratio": ratio(rows, row),
                "commands": row.commands, "round_trips": row.trips, "names": row.names,
            })
        };
        let about: Value =
            machine::about().into_iter().map(|(what, value)| (what.to_owned(), Value::from(value))).collect();
        let targets: Vec<Value> = verdicts
            .iter()
            .map(|v| json!({ "goal": v.goal, "reached": v.reached, "target": v.target, "pass": v.passes() }))
            .collect();
        let rows: Vec<Value> = rows.iter().map(row).collect();
        println!("{:#}", json!({ "about": about, "rows": rows, "targets": targets }));
        return;
    }
    for (what, value) in machine::about() {
        println!("{what:<10} {value}");
    }
    table(rows, "the server's CPU time per request, us, and relative to the bare client", |row| {
        format!("{:.1} {:.2}x", row.cpu, ratio(rows, row).unwrap_or(f64::NAN))
    });
    table(rows, "requests per second", |row| format!("{:.0}", row.per_second));
    table(rows, "latency p50, us", |row| format!("{:.0}", row.p50));
    table(rows, "commands / round trips per request", |row| {
        format!("{:.1} / {:.1}", row.commands, row.trips)
    });
    println!("\ncommands to Redis\n");
    for peer in Peer::ALL {
        let of = |operation| find(rows, peer, operation, ALL[0]).map_or("", |row| row.names.as_str());
        println!("{:<28}read: {:<24} write: {}", peer.name(), of(Operation::Read), of(Operation::Write));
    }
    println!("\ntargets");
    for verdict in &verdicts {
        let word = if verdict.passes() { "PASS" } else { "FAIL" };
        println!("  {word}  {:>7.3}  (target {:.3})  {}", verdict.reached, verdict.target, verdict.goal);
    }
}

fn table(rows: &[Row], title: &str, cell: impl Fn(&Row) -> String) {
    println!("\n{title}\n");
    print!("{:<28}", "");
    for operation in Operation::ALL {
        for payload in ALL {
            print!("{:>14}", format!("{} {}", payload.name, operation.name()));
        }
    }
    println!();
    for peer in Peer::ALL {
        print!("{:<28}", peer.name());
        for operation in Operation::ALL {
            for payload in ALL {
                print!("{:>14}", find(rows, peer, operation, payload).map(&cell).unwrap_or_default());
            }
        }
        println!();
    }
}
