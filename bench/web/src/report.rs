//! Prints the medians and targets, as tables for people or JSON for programs.

use serde_json::{Value, json};

use crate::in_process::Timed;
use crate::login::Kind;
use crate::loopback::Served;
use crate::machine;
use crate::operations::Operation;
use crate::payload::{M, Payload, S};
use crate::peer::Peer;

const PAYLOADS: [Payload; 2] = [S, M];

/// One target and its result.
struct Verdict {
    goal: String,
    reached: f64,
    target: f64,
    passes: bool,
}

impl Verdict {
    fn at_most(goal: String, reached: f64, target: f64) -> Self {
        Self { goal, reached, target, passes: reached <= target }
    }

    fn at_least(goal: String, reached: f64, target: f64) -> Self {
        Self { goal, reached, target, passes: reached >= target }
    }

    fn print(verdicts: &[Self]) {
        println!("\ntargets");
        for Self { goal, reached, target, passes } in verdicts {
            let word = if *passes { "PASS" } else { "FAIL" };
            println!("  {word}  {reached:>7.3}  (target {target:.3})  {goal}");
        }
    }

    fn print_markdown(verdicts: &[Self]) {
        println!("\n| target | reached | limit | |\n|---|---|---|---|");
        for Self { goal, reached, target, passes } in verdicts {
            let word = if *passes { "**yes**" } else { "no" };
            println!("| {goal} | {reached:.2} | {target:.2} | {word} |");
        }
    }

    fn json(&self) -> Value {
        json!({ "goal": self.goal, "reached": self.reached, "target": self.target, "pass": self.passes })
    }
}

fn print_about() {
    for (what, value) in machine::about() {
        println!("{what:<10} {value}");
    }
}

fn json_about() -> Value {
    machine::about().into_iter().map(|(what, value)| (what.to_owned(), Value::from(value))).collect()
}

/// Columns: the payloads under each operation.
fn columns() -> impl Iterator<Item = (Operation, Payload)> {
    Operation::ALL.into_iter().flat_map(|operation| PAYLOADS.map(|payload| (operation, payload)))
}

fn print_head(width: usize) {
    print!("{:<24}", "");
    for (operation, payload) in columns() {
        print!("{:>width$}", format!("{} {}", payload.name, operation.name()));
    }
    println!();
}

/// The date and the machine, in one line.
fn print_about_markdown() {
    let about: Vec<String> = machine::about().into_iter().map(|(_, value)| value).collect();
    println!("{}.", about.join("; "));
}

/// Prints a table for README.md. Rows without a cell are left out.
fn print_markdown_table(title: &str, cell: impl Fn(Peer, Operation, Payload) -> Option<String>) {
    let heads: Vec<String> =
        columns().map(|(operation, payload)| format!("{} {}", payload.name, operation.name())).collect();
    println!("\n{title}\n\n| | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for peer in Peer::ALL {
        let bold = if peer.is_ours() { "**" } else { "" };
        let cells: Vec<String> = columns()
            .map(|(operation, payload)| {
                cell(peer, operation, payload).map_or_else(String::new, |text| format!("{bold}{text}{bold}"))
            })
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            println!("| {bold}{}{bold} | {} |", peer.name(), cells.join(" | "));
        }
    }
}

pub struct InProcess(pub Vec<Timed>);

impl InProcess {
    fn row(&self, peer: Peer, operation: Operation, payload: Payload) -> Option<&Timed> {
        self.0
            .iter()
            .find(|row| (row.peer, row.operation, row.payload.name) == (peer, operation, payload.name))
    }

    /// Microseconds more than the bare framework.
    fn adds(&self, row: &Timed) -> Option<f64> {
        let alone = self.row(row.peer.framework(), row.operation, row.payload)?;
        Some((row.ns - alone.ns) / 1e3)
    }

    fn added(&self, peer: Peer, operation: Operation, payload: Payload) -> Option<f64> {
        self.adds(self.row(peer, operation, payload)?)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (operation, payload) in columns() {
            let Some(ours) = self.row(Peer::Ours, operation, payload) else { continue };
            let Some(added) = self.adds(ours) else { continue };
            let what = format!("{} {}", payload.name, operation.name());
            if operation == Operation::Untouched {
                verdicts.push(Verdict::at_most(format!("{what}, us"), added, 0.1));
                let headers = ours.set_cookies as f64;
                verdicts.push(Verdict::at_most(format!("{what}, Set-Cookie headers"), headers, 0.0));
            } else if let Some(theirs) = self.added(Peer::TowerSessions, operation, payload) {
                let goal = format!("{what}, relative to what tower-sessions' memory store adds");
                verdicts.push(Verdict::at_most(goal, added / theirs, 1.0 / 3.0));
            }
        }
        verdicts
    }

    /// The tables of README.md.
    pub fn print_markdown(&self) {
        print_about_markdown();
        let title =
            "Microseconds per request: in brackets the bare framework, otherwise what the session adds:";
        print_markdown_table(title, |peer, operation, payload| {
            let row = self.row(peer, operation, payload)?;
            if peer.is_framework() {
                return Some(format!("({:.2})", row.ns / 1e3));
            }
            self.adds(row).map(|added| format!("{added:.2}"))
        });
        Verdict::print_markdown(&self.verdicts());
    }

    pub fn print(&self) {
        print_about();
        println!(
            "\nmedian us of CPU time per request: in brackets the bare framework, otherwise what the session adds\n"
        );
        print_head(14);
        for peer in Peer::ALL {
            print!("{:<24}", peer.name());
            for (operation, payload) in columns() {
                let row = self.row(peer, operation, payload);
                let text = match row {
                    Some(row) if peer.is_framework() => format!("({:.2})", row.ns / 1e3),
                    Some(row) => self.adds(row).map_or_else(String::new, |added| format!("{added:+.2}")),
                    None => String::new(),
                };
                print!("{text:>14}");
            }
            let headers = self.row(peer, Operation::Untouched, S).map_or(0, |row| row.set_cookies);
            println!(
                "{}",
                if headers > 0 { format!("  {headers} Set-Cookie untouched") } else { String::new() }
            );
        }
        Verdict::print(&self.verdicts());
    }

    pub fn print_json(&self) {
        let row = |row: &Timed| {
            json!({
                "name": format!("{}/{}/{}", row.operation.name(), row.payload.name, row.peer.name()),
                "ns": row.ns, "added_us": self.adds(row), "set_cookies": row.set_cookies,
            })
        };
        let rows: Vec<Value> = self.0.iter().map(row).collect();
        let targets: Vec<Value> = self.verdicts().iter().map(Verdict::json).collect();
        println!("{:#}", json!({ "about": json_about(), "rows": rows, "targets": targets }));
    }
}

pub struct Loopback(pub Vec<Served>);

impl Loopback {
    fn row(&self, peer: Peer, operation: Operation, payload: Payload) -> Option<&Served> {
        self.0
            .iter()
            .find(|row| (row.peer, row.operation, row.payload.name) == (peer, operation, payload.name))
    }

    /// The requests per second relative to the bare framework.
    fn share(&self, row: &Served) -> Option<f64> {
        Some(row.per_second / self.row(row.peer.framework(), row.operation, row.payload)?.per_second)
    }

    fn adds(&self, row: &Served) -> Option<f64> {
        Some(row.cpu - self.row(row.peer.framework(), row.operation, row.payload)?.cpu)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |payload: Payload| {
            let share = self.share(self.row(Peer::Ours, Operation::Read, payload)?)?;
            let goal = format!("{} read, of the requests per second of bare axum", payload.name);
            Some(Verdict::at_least(goal, share, 0.8))
        };
        let by_cpu = |payload: Payload| {
            let alone = self.row(Peer::Axum, Operation::Read, payload)?;
            let share = alone.cpu / self.row(Peer::Ours, Operation::Read, payload)?.cpu;
            let goal = format!("{} read, the same by the servers' CPU time", payload.name);
            Some(Verdict::at_least(goal, share, 0.8))
        };
        PAYLOADS.into_iter().flat_map(|payload| [verdict(payload), by_cpu(payload)]).flatten().collect()
    }

    /// The tables of README.md.
    pub fn print_markdown(&self) {
        print_about_markdown();
        println!("The servers used their core for {:.0} % of the time or more.", self.least_busy() * 100.0);
        let title = "Requests per second, and the share of the bare framework:";
        print_markdown_table(title, |peer, operation, payload| {
            let row = self.row(peer, operation, payload)?;
            if peer.is_framework() {
                return Some(format!("{:.0}", row.per_second));
            }
            self.share(row).map(|share| format!("{:.0} %", share * 100.0))
        });
        let title = "The server's CPU time per request in microseconds: in brackets the bare framework, otherwise what the \
                     session adds:";
        print_markdown_table(title, |peer, operation, payload| {
            let row = self.row(peer, operation, payload)?;
            if peer.is_framework() {
                return Some(format!("({:.1})", row.cpu));
            }
            self.adds(row).map(|added| format!("{added:.1}"))
        });
        print_markdown_table("Latency p50 / p99, in microseconds:", |peer, operation, payload| {
            let row = self.row(peer, operation, payload)?;
            Some(format!("{:.0} / {:.0}", row.p50, row.p99))
        });
        Verdict::print_markdown(&self.verdicts());
    }

    fn least_busy(&self) -> f64 {
        self.0.iter().map(|row| row.busy).fold(f64::NAN, f64::min)
    }

    pub fn print(&self) {
        print_about();
        self.table("requests per second, and the share of the bare framework", |row| {
            let share = self.share(row).unwrap_or(f64::NAN) * 100.0;
            format!("{:.0} {share:>3.0} %", row.per_second)
        });
        self.table(
            "the server's CPU time, us: in brackets the bare framework, otherwise what the session adds",
            |row| {
                if row.peer.is_framework() {
                    format!("({:.1})", row.cpu)
                } else {
                    format!("{:+.1}", self.adds(row).unwrap_or(f64::NAN))
                }
            },
        );
        self.table("latency p50 / p99, us", |row| format!("{:.0} / {:.0}", row.p50, row.p99));
        let busy = self.least_busy();
        println!("\nthe servers used their core for {:.0} % of the time or more", busy * 100.0);
        if busy < 0.9 {
            println!(
                "this is low: something else ran there, or the load generator is too slow; trust only the CPU time"
            );
        }
        Verdict::print(&self.verdicts());
    }

    fn table(&self, title: &str, cell: impl Fn(&Served) -> String) {
        println!("\n{title}\n");
        print_head(16);
        for peer in Peer::ALL {
            print!("{:<24}", peer.name());
            for (operation, payload) in columns() {
                print!("{:>16}", self.row(peer, operation, payload).map(&cell).unwrap_or_default());
            }
            println!();
        }
    }

    pub fn print_json(&self) {
        let row = |row: &Served| {
            json!({
                "name": format!("{}/{}/{}", row.operation.name(), row.payload.name, row.peer.name()),
                "per_second": row.per_second, "share": self.share(row), "p50_us": row.p50, "p99_us": row.p99,
                "cpu_us": row.cpu, "added_us": self.adds(row), "busy": row.busy,
            })
        };
        let rows: Vec<Value> = self.0.iter().map(row).collect();
        let targets: Vec<Value> = self.verdicts().iter().map(Verdict::json).collect();
        println!("{:#}", json!({ "about": json_about(), "rows": rows, "targets": targets }));
    }
}

/// The cost of logins in nanoseconds per request.
pub struct Logins(pub Vec<(Kind, Payload, f64)>);

impl Logins {
    fn ns(&self, kind: Kind, payload: Payload) -> f64 {
        let found = self.0.iter().find(|(row, size, _)| *row == kind && size.name == payload.name);
        found.map_or(f64::NAN, |(_, _, ns)| *ns)
    }

    /// The time beyond the bare framework.
    fn added(&self, kind: Kind, payload: Payload) -> f64 {
        self.ns(kind, payload) - self.ns(Kind::Axum, payload)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |payload: Payload| {
            let ours = self.ns(Kind::OursWithUser, payload) - self.ns(Kind::Ours, payload);
            let goal = format!(
                "{} LoginUser on top of a read, relative to what axum-login and its store add",
                payload.name
            );
            Verdict::at_most(goal, ours / self.added(Kind::AxumLogin, payload), 0.5)
        };
        PAYLOADS.map(verdict).into()
    }

    pub fn print(&self) {
        print_about();
        println!("\n{:<34} {:>10} {:>14}", "row", "ns", "beyond axum");
        for (kind, payload, ns) in &self.0 {
            let name = format!("{}/{}", payload.name, kind.name());
            println!("{name:<34} {ns:>10.0} {:>14.0}", self.added(*kind, *payload));
        }
        Verdict::print(&self.verdicts());
    }

    pub fn print_markdown(&self) {
        println!("| | S, us | M, us |\n|---|---|---|");
        for kind in Kind::ALL {
            let [s, m] = PAYLOADS.map(|payload| match kind {
                Kind::Axum => format!("({:.2})", self.ns(kind, payload) / 1e3),
                _ => format!("{:.2}", self.added(kind, payload) / 1e3),
            });
            println!("| {} | {s} | {m} |", kind.name());
        }
        Verdict::print_markdown(&self.verdicts());
    }

    pub fn print_json(&self) {
        let row = |(kind, payload, ns): &(Kind, Payload, f64)| json!({ "row": kind.name(), "payload": payload.name, "ns": ns });
        let rows: Vec<Value> = self.0.iter().map(row).collect();
        let verdicts: Vec<Value> = self.verdicts().iter().map(Verdict::json).collect();
        println!("{}", json!({ "about": json_about(), "rows": rows, "targets": verdicts }));
    }
}
