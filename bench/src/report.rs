//! Prints the medians and targets, as a table for people or JSON for programs.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::floor::PARTS;
use crate::measure::Row;

/// The rivals that the targets compare with: the faster of these.
const RIVALS: [&str; 2] = ["itsdangerous", "cookie-rs"];

const PAYLOADS: [&str; 3] = ["S", "M", "L"];

/// The highest time relative to the faster rival, S / M / L.
const TARGETS: [(&str, &[&str], [f64; 3]); 4] = [
    (
        "open and read one key (the worse of first and last)",
        &["open-first-key", "open-last-key"],
        [0.30, 0.20, 0.15],
    ),
    ("decode everything", &["decode-all"], [0.40, 0.33, 0.25]),
    ("encode and sign", &["encode-sign"], [0.30, 0.50, 0.60]),
    ("open, change, save", &["open-change-save"], [0.30, 0.30, 0.30]),
];

/// The highest time relative to Flask's, for the deflated cookies that Flask sends.
const FLASK_TARGETS: [(&str, f64); 2] = [("M", 1.0 / 15.0), ("L", 1.0 / 12.0)];

pub struct Report {
    medians: BTreeMap<String, f64>,
    spreads: BTreeMap<String, f64>,
    about: Vec<(&'static str, String)>,
}

/// One target and its result.
struct Verdict {
    goal: &'static str,
    payload: &'static str,
    ratio: f64,
    target: f64,
}

impl Verdict {
    fn passes(&self) -> bool {
        self.ratio <= self.target
    }
}

impl Report {
    pub fn new(rows: &[Row], flask: Option<String>) -> Self {
        let medians = rows.iter().map(|row| (row.name.clone(), row.median())).collect();
        let spreads = rows.iter().map(|row| (row.name.clone(), row.spread())).collect();
        let mut about = vec![
            ("date", said("date", &["-u", "+%F"])),
            ("processor", processor()),
            ("system", said("uname", &["-sr"])),
            ("rustc", said("rustc", &["--version"])),
            ("crates", crates()),
        ];
        about.extend(flask.map(|versions| ("flask", versions)));
        Self { medians, spreads, about }
    }

    fn of(&self, operation: &str, payload: &str, who: &str) -> Option<f64> {
        self.medians.get(&format!("{operation}/{payload}/{who}")).copied()
    }

    /// The faster rival's time.
    fn rival(&self, operation: &str, payload: &str) -> Option<f64> {
        RIVALS.iter().filter_map(|who| self.of(operation, payload, who)).reduce(f64::min)
    }

    /// The sum of the fastest primitives.
    fn floor(&self, operation: &str, payload: &str) -> Option<f64> {
        let (_, parts) = PARTS.iter().find(|(name, _)| *name == operation)?;
        parts
            .iter()
            .map(|ways| ways.iter().filter_map(|way| self.of(way, payload, "floor")).reduce(f64::min))
            .sum()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (goal, operations, targets) in TARGETS {
            for (payload, target) in PAYLOADS.into_iter().zip(targets) {
                let ratio = |operation: &&str| {
                    Some(self.of(operation, payload, "ours")? / self.rival(operation, payload)?)
                };
                if let Some(ratio) = operations.iter().filter_map(ratio).reduce(f64::max) {
                    verdicts.push(Verdict { goal, payload, ratio, target });
                }
            }
        }
        for (payload, target) in FLASK_TARGETS {
            if let (Some(ours), Some(flask)) = (
                self.of("decode-flask-cookie", payload, "ours"),
                self.of("decode-all-deflated", payload, "flask"),
            ) {
                let goal = "decode Flask's own deflated cookie, relative to Flask's time";
                verdicts.push(Verdict { goal, payload, ratio: ours / flask, target });
            }
        }
        verdicts
    }

    pub fn print(&self) {
        for (what, value) in &self.about {
            println!("{what:<10} {value}");
        }
        println!("\nmedian ns of CPU time; x: relative to the faster of {} (S, M, L)", RIVALS.join(" and "));
        let mut names: Vec<(&str, &str)> = self.medians.keys().filter_map(|name| parts(name)).collect();
        names.sort_unstable();
        names.dedup();
        let mut before = "";
        for (operation, who) in names.into_iter().filter(|(_, who)| *who != "floor") {
            if operation != before {
                println!("\n{operation}");
                self.print_line(operation, "(floor)", |payload| self.floor(operation, payload));
                let owned = format!("{operation}-owned");
                self.print_line(operation, "(floor, owned values)", |payload| self.floor(&owned, payload));
            }
            before = operation;
            self.print_line(operation, who, |payload| self.of(operation, payload, who));
        }
        println!("\nprimitives that add up to the floors");
        let mut names: Vec<(&str, &str)> = self.medians.keys().filter_map(|name| parts(name)).collect();
        names.retain(|(_, who)| *who == "floor");
        names.dedup();
        for (primitive, _) in names {
            self.print_line("", primitive, |payload| self.of(primitive, payload, "floor"));
        }
        println!("\ntargets");
        for verdict in self.verdicts() {
            let word = if verdict.passes() { "PASS" } else { "FAIL" };
            let Verdict { goal, payload, ratio, target } = verdict;
            println!("  {word}  {payload}  {ratio:>6.3}  (target {target:.3})  {goal}");
        }
    }

    fn print_line(&self, operation: &str, who: &str, time: impl Fn(&str) -> Option<f64>) {
        let times: Vec<_> = PAYLOADS.into_iter().map(&time).collect();
        if times.iter().all(Option::is_none) {
            return;
        }
        print!("  {who:<34}");
        for time in &times {
            print!("{:>10}", time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}")));
        }
        for (payload, time) in PAYLOADS.into_iter().zip(&times) {
            let ratio = time.and_then(|time| Some(time / self.rival(operation, payload)?));
            print!("{:>8}", ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x")));
        }
        println!();
    }

    pub fn print_json(&self) {
        let rows: Vec<Value> = self
            .medians
            .iter()
            .map(|(name, ns)| json!({ "name": name, "ns": ns, "spread": self.spreads.get(name) }))
            .collect();
        let targets: Vec<Value> = self
            .verdicts()
            .iter()
            .map(|v| {
                json!({ "goal": v.goal, "payload": v.payload, "ratio": v.ratio, "target": v.target, "pass": v.passes() })
            })
            .collect();
        let mut floors = serde_json::Map::new();
        for (operation, _) in PARTS {
            for payload in PAYLOADS {
                if let Some(ns) = self.floor(operation, payload) {
                    floors.insert(format!("{operation}/{payload}"), ns.into());
                }
            }
        }
        let about: serde_json::Map<String, Value> =
            self.about.iter().map(|(what, value)| ((*what).to_owned(), value.as_str().into())).collect();
        println!("{:#}", json!({ "about": about, "rows": rows, "floors": floors, "targets": targets }));
    }
}

/// The operation and the peer in `operation/payload/peer`.
fn parts(name: &str) -> Option<(&str, &str)> {
    let (operation, rest) = name.split_once('/')?;
    Some((operation, rest.split_once('/')?.1))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line =
            info.lines().find(|line| line.split(':').next().is_some_and(|field| field.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let numbers = (field("cpu family"), field("model"));
    let flags = field("flags").unwrap_or_default();
    let has: Vec<_> = ["avx2", "avx512f", "sha_ni"].into_iter().filter(|flag| flags.contains(flag)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match numbers {
        (Some(family), Some(model)) => {
            format!("{name} (family {family}, model {model}; {}), {cores} cores", has.join(", "))
        }
        _ => format!("{name}, {cores} cores"),
    }
}

/// The versions in the lock file.
fn crates() -> String {
    const NAMES: [&str; 10] = [
        "itsdangerous",
        "cookie",
        "actix-session",
        "serde_json",
        "sonic-rs",
        "libdeflater",
        "base64-simd",
        "sha1",
        "flate2",
        "zlib-rs",
    ];
    let lock = include_str!("../Cargo.lock");
    let newest = |name: &str| {
        let mark = format!("name = \"{name}\"\nversion = \"");
        let versions: Vec<&str> =
            lock.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        versions.last().map(|version| format!("{name} {version}"))
    };
    NAMES.into_iter().filter_map(newest).collect::<Vec<_>>().join(", ")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
