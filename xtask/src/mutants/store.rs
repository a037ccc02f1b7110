//! Changes the memory store one operator, constant or statement at a time, and checks that a test
//! notices each change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::{copy_all, edit};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// One change of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    /// The line, from 0.
    line: usize,
    /// The line as it is afterwards.
    text: String,
}

/// A change that no test can notice, and the reason.
struct Equivalent {
    /// The line as it is afterwards, without the spaces around it.
    text: &'static str,
    /// Why the store behaves alike with it.
    because: &'static str,
}

const EQUIVALENT: &[Equivalent] = &[
    Equivalent {
        text: "let Some((text, record)) = inner.records.remove_entry(key.as_str()) else { return Ok(Touched::Touched) };",
        because: "the record was found under the same lock, so it is never missing here",
    },
    Equivalent {
        text: "let (old_records, old_bytes) = old.map_or((1, 0), |old| (1, key.len() + old.data.len()));",
        because: "the number is multiplied by zero if no record existed",
    },
    Equivalent {
        text: r#".any(|key| json.strip_prefix(b"{\"").and_then(|rest| rest.strip_prefix(key.as_bytes())).is_none())"#,
        because: "it only saves reading: a record that passes is read whole and decided then",
    },
];

/// Fails with the changes that no test noticed.
pub(crate) fn all_are_noticed(workspace: &Workspace) -> Result<String, Failure> {
    let copy = Copy::new(workspace)?;
    let file = copy.root.join(MEMORY);
    let broken = |error| Failure::new(format!("{}: {error}", file.display()));
    let source = fs::read_to_string(&file).map_err(broken)?;
    if copy.verdict()? != Verdict::Unnoticed {
        return Err(Failure::new("the contract tests of hipflask-store fail without a change"));
    }
    let (mut noticed, mut refused, mut unnoticed) = (0, 0, Vec::new());
    for change in changes(&source) {
        if let Some(known) = EQUIVALENT.iter().find(|known| known.text == change.text.trim()) {
            println!("Equivalent line {}: {} ({})", change.line + 1, known.text, known.because);
            continue;
        }
        fs::write(&file, change.applied(&source)).map_err(broken)?;
        let verdict = copy.verdict()?;
        println!("{verdict:?} line {}: {}", change.line + 1, change.text.trim());
        match verdict {
            Verdict::Noticed => noticed += 1,
            Verdict::Refused => refused += 1,
            Verdict::Unnoticed => unnoticed.push(format!("line {}: {}", change.line + 1, change.text.trim())),
        }
    }
    if unnoticed.is_empty() {
        let known = EQUIVALENT.len();
        return Ok(format!("{noticed} changes noticed, {refused} do not compile, {known} change nothing"));
    }
    Err(Failure::new(format!("no test noticed in {MEMORY}: {}", unnoticed.join("; "))).with_remedy(
        "add a test to crates/hipflask-store/tests/contract that fails with the change, or list it as equivalent with the reason",
    ))
}

/// Every change of the code of a file, without its docs, attributes and imports.
fn changes(source: &str) -> Vec<Change> {
    let mut all = Vec::new();
    let code_alone = source.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]");
    for (line, text) in code_alone {
        let code = text.trim();
        let is_code = text.starts_with("    ") && !code.starts_with("//") && !code.starts_with('#');
        if !is_code {
            continue;
        }
        for (from, to) in OPERATORS {
            for (at, _) in text.match_indices(from) {
                let changed = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
                all.push(Change { line, text: changed });
            }
        }
        let is_call =
            code.ends_with(");") && code.contains('.') && !code.starts_with("let ") && is_balanced(code);
        if is_call || code.ends_with("?;") && is_balanced(code) && !code.starts_with("let ") {
            all.push(Change { line, text: String::new() });
        }
    }
    all
}

/// Returns `true` if a line is a complete statement.
fn is_balanced(code: &str) -> bool {
    code.matches('(').count() == code.matches(')').count() && !code.starts_with(['.', ')', '}'])
}

impl Change {
    fn applied(&self, source: &str) -> String {
        let lines = source.lines().enumerate();
        let lines = lines.map(|(number, line)| if number == self.line { &*self.text } else { line });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }
}

/// Each text and its replacement, tried at every occurrence.
const OPERATORS: &[(&str, &str)] = &[
    (" < ", " <= "),
    (" < ", " > "),
    (" <= ", " < "),
    (" <= ", " > "),
    (" > ", " >= "),
    (" > ", " < "),
    (" >= ", " > "),
    (" >= ", " < "),
    (" == ", " != "),
    (" != ", " == "),
    (" && ", " || "),
    (" || ", " && "),
    (" + ", " - "),
    (" - ", " + "),
    (" += ", " -= "),
    (" -= ", " += "),
    (".max(", ".min("),
    (".min(", ".max("),
    (".is_some()", ".is_none()"),
    (".is_none()", ".is_some()"),
    (".is_empty()", ".is_empty() == false"),
    ("(!", "("),
    ("if !", "if "),
    ("&& !", "&& "),
    ("(0, ", "(1, "),
    ("(1)", "(0)"),
    ("= 0;", "= 1;"),
    ("true", "false"),
    ("false", "true"),
    ("Some(record.expires)", "None"),
    ("Some(self.expires)", "None"),
    ("Ok(Created::Exists)", "Ok(Created::Created(Token::Data))"),
    ("Ok(Created::Created(Token::Data))", "Ok(Created::Exists)"),
    ("Replaced::Gone", "Replaced::Replaced(Token::Data)"),
    ("Ok(Replaced::Replaced(Token::Data))", "Ok(Replaced::Gone)"),
    ("Touched::Gone", "Touched::Touched"),
    ("Touched::Touched", "Touched::Gone"),
    ("Deleted::Deleted", "Deleted::Gone"),
    ("Deleted::Gone", "Deleted::Deleted"),
    ("DeletedIf::Gone", "DeletedIf::Deleted"),
    ("DeletedIf::Deleted", "DeletedIf::Gone"),
];

/// The outcome of the tests for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Noticed,
    /// By the compiler.
    Refused,
    Unnoticed,
}

/// hipflask-store in a workspace of its own, with what its contract tests need.
struct Copy<'w> {
    workspace: &'w Workspace,
    root: PathBuf,
}

impl<'w> Copy<'w> {
    fn new(workspace: &'w Workspace) -> Result<Self, Failure> {
        let copy = Self { workspace, root: workspace.path("target/mutants/store") };
        copy.fill()
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}", copy.root.display())))?;
        Ok(copy)
    }

    fn fill(&self) -> std::io::Result<()> {
        let _ = fs::remove_dir_all(self.root.join("crates"));
        for name in ["hipflask-core", "hipflask-store", "hipflask-testkit"] {
            let folder = format!("crates/{name}");
            copy_all(&self.workspace.path(&folder), &self.root.join(&folder))?;
        }
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(self.workspace.path(file), self.root.join(file))?;
        }
        edit(&self.root.join("Cargo.toml"), |line| match line.starts_with("members = ") {
            true => Some("members = [\"crates/*\"]"),
            false => Some(line),
        })?;
        // Of the tests only those of the contract are left, which need few crates.
        let tests = self.root.join(STORE).join("tests");
        for entry in fs::read_dir(&tests)?.flatten().filter(|entry| entry.file_name() != "contract") {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        let unused = ["[[test]]", "required-features", "proptest", "shuttle", "allocation-counter"];
        edit(&self.root.join(STORE).join("Cargo.toml"), |line| {
            let is_target = line.starts_with("name = ") && line != "name = \"hipflask-store\"";
            Some(line).filter(|line| !is_target && !unused.iter().any(|word| line.starts_with(word)))
        })
    }

    fn verdict(&self) -> Result<Verdict, Failure> {
        let Some(program) = self.build()? else { return Ok(Verdict::Refused) };
        // Those that wait for records to expire come last.
        for tests in [&["--skip", "contract"][..], &["contract"]] {
            if !self.passes(&program, tests)? {
                return Ok(Verdict::Noticed);
            }
        }
        Ok(Verdict::Unnoticed)
    }

    fn passes(&self, program: &Path, tests: &[&str]) -> Result<bool, Failure> {
        let broken = |error| Failure::new(format!("the contract tests could not be run: {error}"));
        let mut command = self.workspace.command(program);
        command.current_dir(self.root.join(STORE)).args(tests).args(["--skip", "broken::"]);
        command.env("RUST_BACKTRACE", "0").stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(broken)?;
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(broken)? {
                return Ok(status.success());
            }
            if start.elapsed() > LONGEST {
                child.kill().and_then(|()| child.wait()).map_err(broken)?;
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The program with the contract tests; `None` if the change does not compile.
    fn build(&self) -> Result<Option<PathBuf>, Failure> {
        let mut cargo = self.workspace.cargo("test -p hipflask-store --test contract --no-run");
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.join("target"));
        cargo.env("CARGO_INCREMENTAL", "1").env("CARGO_TERM_COLOR", "never");
        cargo.env("CARGO_PROFILE_TEST_DEBUG", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output =
            cargo.output().map_err(|error| Failure::new(format!("cargo could not be started: {error}")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let program = said.lines().rev().find_map(|line| line.rsplit_once('(')?.1.strip_suffix(')'));
        Ok(program.filter(|_| output.status.success()).map(|program| self.root.join(program)))
    }
}

const STORE: &str = "crates/hipflask-store";
const MEMORY: &str = "crates/hipflask-store/src/memory.rs";

/// The tests take a few seconds. A loop that no longer ends is noticed.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_calls_are_changed_one_by_one() {
        let source = "/// a < b\nfn f() {\n    if a < b && c {\n        list.clear();\n    }\n}\n";
        let texts: Vec<_> = changes(source).into_iter().map(|change| change.text.trim().to_owned()).collect();
        assert_eq!(texts, ["if a <= b && c {", "if a > b && c {", "if a < b || c {", ""]);
    }

    #[test]
    fn equivalent_changes_exist_and_have_reasons() {
        let source = fs::read_to_string(Workspace::find().path(MEMORY)).expect("the memory store");
        let all = changes(&source);
        assert!(all.len() >= 40, "{} changes", all.len());
        for known in EQUIVALENT {
            assert!(!known.because.is_empty());
            assert!(all.iter().any(|change| change.text.trim() == known.text), "{} is gone", known.text);
        }
    }
}
