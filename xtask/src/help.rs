//! The usage text, and the answer to a mistyped command.

/// Each command and its purpose in one line.
const COMMANDS: &[(&str, &str)] = &[
    ("check", "quick, before every commit: format, lints, docs, tests that need no Python"),
    ("test", "everything, as CI runs it; makes the machine ready first"),
    ("full", "the long runs that `test` shortens or leaves out; takes hours, before a release"),
    ("step", "runs the one step of `test` or `full` with the given text in its name, such as `documents`"),
    ("setup", "makes the machine ready: real Flask in target/flask-venv, to compare with, and Chromium"),
    (
        "wheel",
        "builds the wheels of the Python package and installs one into target/wheel-venv, for its tests",
    ),
    ("words", "finds names and sentences that are not plain English"),
    ("book", "builds the pages under docs/ as a book in target/book, and checks its links"),
    ("deb", "builds the Debian package of the command in target/deb"),
    ("shared-login", "serves one login that a Flask app and a Rust service share, behind nginx"),
    ("release", "with --dry-run: builds packages and wheels and checks the version; publishes nothing"),
    ("wire", "makes the recordings under wire/ again, with that Flask"),
];

/// Each command's option and its effect.
const OPTIONS: &[(&str, &str, &str)] = &[
    (
        "wheel",
        "--abi3",
        "installs the wheel for every CPython from 3.9 on, in place of the faster one for this Python alone",
    ),
    ("check", "--keep-going", "runs the other steps as well if one fails"),
    ("test", "--keep-going", "runs the other steps as well if one fails"),
    ("full", "--keep-going", "runs the other steps as well if one fails"),
    ("shared-login", "--actix", "takes the Rust half on actix-web in place of the one on axum"),
    ("release", "--dry-run", "is required: the commands that publish are printed, for a person to run"),
];

pub(crate) fn text() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND\n\n");
    for (name, purpose) in COMMANDS {
        text.push_str(&format!("  {name:<13} {purpose}\n"));
        for (option, effect) in options(name) {
            text.push_str(&format!("  {:<13} {option}  {effect}\n", ""));
        }
    }
    text.push_str(
        "\nNew here? `cargo xtask check` needs nothing but Rust and takes about a minute the first time.",
    );
    text
}

pub(crate) fn knows(command: &str) -> bool {
    COMMANDS.iter().any(|(name, _)| *name == command)
}

/// The help of one command.
pub(crate) fn of(command: &str) -> String {
    let mut usage = format!("Usage: cargo xtask {command}");
    let mut effects = String::new();
    for (option, effect) in options(command) {
        usage.push_str(&format!(" [{option}]"));
        effects.push_str(&format!("\n  {option}  {effect}"));
    }
    let purpose = COMMANDS.iter().find(|(name, _)| *name == command).map_or("", |(_, purpose)| purpose);
    format!("{usage}\n\n{purpose}\n{effects}").trim_end().to_owned()
}

/// Says what is wrong with `command` and the words after it, and suggests the nearest command.
pub(crate) fn complaint(command: &str, rest: &[&str]) -> String {
    if knows(command) {
        let takes = options(command).map(|(option, _)| format!("at most {option}")).next();
        let takes = takes.as_deref().unwrap_or("nothing");
        return format!("`cargo xtask {command}` takes {takes} after it, but got: {}", rest.join(" "));
    }
    let nearest = COMMANDS.iter().map(|(name, _)| (distance(name, command), *name)).min();
    match nearest {
        Some((steps, name)) if steps <= 2 => {
            format!("There is no command `{command}`. Did you mean `cargo xtask {name}`?")
        }
        _ => format!("There is no command `{command}`."),
    }
}

fn options(command: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let its = OPTIONS.iter().filter(move |(name, ..)| *name == command);
    its.map(|(_, option, effect)| (*option, *effect))
}

/// The Levenshtein distance: letters to add, drop or change to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{complaint, of, text};

    #[test]
    fn mistyped_command_gets_the_nearest_suggested() {
        assert_eq!(complaint("tset", &[]), "There is no command `tset`. Did you mean `cargo xtask test`?");
        assert_eq!(complaint("chekc", &[]), "There is no command `chekc`. Did you mean `cargo xtask check`?");
        assert_eq!(complaint("deploy", &[]), "There is no command `deploy`.");
    }

    #[test]
    fn words_after_a_command_are_refused() {
        let complaint = complaint("test", &["--fast"]);
        assert_eq!(complaint, "`cargo xtask test` takes at most --keep-going after it, but got: --fast");
        let complaint = super::complaint("wire", &["x"]);
        assert_eq!(complaint, "`cargo xtask wire` takes nothing after it, but got: x");
    }

    #[test]
    fn options_are_in_complaints_and_in_help() {
        let complaint = complaint("wheel", &["--abi"]);
        assert_eq!(complaint, "`cargo xtask wheel` takes at most --abi3 after it, but got: --abi");
        assert!(
            of("wheel").starts_with("Usage: cargo xtask wheel [--abi3]\n\nbuilds the wheels"),
            "{}",
            of("wheel")
        );
        assert!(text().contains("--abi3"));
        assert_eq!(of("wire").lines().count(), 3, "{}", of("wire"));
    }

    #[test]
    fn every_command_has_its_line_in_help() {
        for name in ["check", "test", "full", "step", "setup", "wheel", "wire"] {
            assert!(text().lines().any(|line| line.trim_start().starts_with(name)), "{name}");
        }
    }
}
