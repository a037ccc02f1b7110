//! Real Flask in a separate Python process.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use crate::measure::Row;
use crate::payload::{ALL, CHANGED, KEY, NOW, Payload};

/// The interpreter that `cargo xtask setup` installs, relative to the root of the repository.
const INTERPRETER: &str = "target/flask-venv/bin/python";

/// A Flask process that answers each line with one line.
#[derive(Clone)]
pub struct Flask(Rc<RefCell<Pipes>>);

struct Pipes {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Flask {
    pub fn start() -> Result<Self, String> {
        let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = bench.join("..").join(INTERPRETER);
        if !python.exists() {
            return Err(format!(
                "{INTERPRETER} is missing: Flask itself is one of the peers.\n\
                 Make it with `cargo xtask setup` in the root of the repository, or leave Flask out with `--no-flask`."
            ));
        }
        let mut child = Command::new(&python)
            .arg("-I")
            .arg(bench.join("flask_peer.py"))
            .args([KEY, &NOW.to_string(), CHANGED])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {INTERPRETER}: {error}; try `cargo xtask setup`"))?;
        let to = child.stdin.take();
        let from = child.stdout.take().map(BufReader::new).ok_or("Flask has no standard output")?;
        Ok(Self(Rc::new(RefCell::new(Pipes { child, to, from }))))
    }

    /// The versions: `Flask 3.1.3, itsdangerous 2.2.0, Python 3.11.2`.
    pub fn versions(&self) -> String {
        self.ask("versions")
    }

    /// The cookie that Flask sends for a payload.
    pub fn cookie(&self, payload: Payload) -> String {
        self.ask(&format!("cookie {}", payload.name))
    }

    fn ask(&self, question: &str) -> String {
        let mut pipes = self.0.borrow_mut();
        let mut answer = String::new();
        if let Some(to) = &mut pipes.to {
            writeln!(to, "{question}").and_then(|()| to.flush()).expect("Flask listens");
        }
        pipes.from.read_line(&mut answer).expect("Flask answers");
        assert!(answer.ends_with('\n'), "Flask failed at `{question}`; its error is above");
        answer.trim_end().to_owned()
    }

    /// Checks that Flask reads our cookie as the same session as its own.
    pub fn check(&self, payload: Payload, cookie: &str) {
        let mut question = format!("check {} ", payload.name);
        let _ = write!(question, "{cookie}");
        assert_eq!(
            self.ask(&question),
            "equal",
            "Flask reads another session from our cookie {}",
            payload.name
        );
    }

    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for payload in ALL {
            for operation in ["open-last-key", "decode-all", "encode-sign", "open-change-save"] {
                let flask = self.clone();
                // Flask's cookies of M and L are deflated.
                let deflated = if payload.has_flashes() { "-deflated" } else { "" };
                let name = format!("{operation}{deflated}/{}/flask", payload.name);
                rows.push(Row::measured_elsewhere(name, move |times| {
                    let answer = flask.ask(&format!("{operation} {} {times}", payload.name));
                    answer.parse().expect("nanoseconds")
                }));
            }
        }
        rows
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}
