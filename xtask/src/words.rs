//! Finds names and sentences that do not read as plain English.
//!
//! A tripwire for the most frequent mistakes; CONTRIBUTING.md has the rules. A line that has to
//! break one of them, such as
//! a quotation, carries the word `wording:` and the reason in a comment, on the same line or on the line before.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::Failure;
use crate::workspace::{self, Workspace};

/// The step of `check`: every text in the tree and every new commit subject.
pub(crate) fn are_plain(workspace: &Workspace) -> Result<String, Failure> {
    let files = tracked_files(workspace)?;
    let mut findings = Vec::new();
    for file in &files {
        // A tracked file may be deleted and not yet committed.
        let text = std::fs::read_to_string(workspace.path(file)).unwrap_or_default();
        findings
            .extend(findings_in(Kind::of(file), &text).map(|(line, rule)| format!("{file}:{line}: {rule}")));
    }
    let subjects = new_subjects(workspace)?;
    findings.extend(
        subjects
            .iter()
            .filter(|subject| is_long_subject(subject))
            .map(|subject| format!("commit subject over {SUBJECT_LENGTH} characters: {subject}")),
    );
    if findings.is_empty() {
        return Ok(format!("{} files", files.len()));
    }
    Err(Failure::new(format!("{} places:\n{}", findings.len(), findings.join("\n"))))
}

/// Characters in the first line of a commit message.
const SUBJECT_LENGTH: usize = 72;

/// Characters in a line of a comment or of a document. Code has the limit of rustfmt.
const LINE_LENGTH: usize = 120;

/// Words in the name of a test.
const NAME_WORDS: usize = 8;

/// Marks a line that breaks a rule on purpose.
const ALLOWED: &str = "wording:";

/// The rules for a line of text: a pattern, and what to write instead.
const RULES: &[(&str, &str)] = &[
    (r"^\s*//[/!]\s+(What|Who|Whoever|Whether|How)\b", "a summary is a noun phrase or begins with a verb"),
    (r"\b(is|are|was) no [a-z]+", "write `is not a ..` or `has no ..`"),
    (r"\banew\b", "write `again`"),
    (r"\bmend(s|ed)?\b", "write `fix`"),
    (r"\b(whoever|who (has|wants|asks|holds|uses))\b", "write `if you ..` or `callers that ..`"),
    (r"\b(is|are|was|were|be) (told|asked|meant)\b", "say who does it: `the store reports ..`"),
    (r"\bstands? (in|beside|behind|on|there)\b", "write `is in` or `is next to`"),
    (r"\bbeside\b", "write `next to`"),
    (r", too\b", "write `also`"),
    (r"\b(Of (several|two|both)|of (several|two) [a-z ]+ the) ", "write `the first of several ..`"),
];

/// Idioms that the rule for `is no` would find.
const USUAL: &[&str] = &[
    "no longer",
    "no more than",
    "no such",
    "no less",
    "no matter",
    "here is no ",
    "here are no ",
    "here was no ",
];

static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let compiled = |&(pattern, advice)| Some((Regex::new(pattern).ok()?, advice));
    let patterns: Vec<_> = RULES.iter().filter_map(compiled).collect();
    assert_eq!(patterns.len(), RULES.len(), "every pattern is a regular expression");
    patterns
});

/// The rules by which the lines of a file are read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Only comments and lines with a string literal are text.
    Rust,
    Markdown,
    Other,
}

impl Kind {
    fn of(file: &str) -> Self {
        match Path::new(file).extension().and_then(|ending| ending.to_str()) {
            Some("rs") => Self::Rust,
            Some("md") => Self::Markdown,
            _ => Self::Other,
        }
    }

    fn is_text(self, line: &str) -> bool {
        self != Self::Rust || line.contains("//") || line.contains('"')
    }

    /// Returns `true` if `line` could be broken: tables, links and code cannot.
    fn can_be_broken(self, line: &str) -> bool {
        match self {
            Self::Rust => line.trim_start().starts_with("//") && !is_table_or_link(line),
            Self::Markdown => !is_table_or_link(line) && !line.starts_with(' '),
            Self::Other => line.trim_start().starts_with("# ") && !is_table_or_link(line),
        }
    }
}

fn is_table_or_link(line: &str) -> bool {
    line.contains('|') || line.contains("](") || line.contains("]: ") || line.contains("://")
}

/// The number of each line that breaks a rule, counted from 1, and the rule.
fn findings_in(kind: Kind, text: &str) -> impl Iterator<Item = (usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in lines.iter().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        let before = index.checked_sub(1).map_or("", |before| lines[before]);
        if line.contains(ALLOWED) || before.contains(ALLOWED) {
            continue;
        }
        if let Some(rule) = broken_rule(kind, line, in_code) {
            found.push((index + 1, rule));
        }
    }
    found.into_iter()
}

fn broken_rule(kind: Kind, line: &str, in_code: bool) -> Option<String> {
    if kind == Kind::Rust {
        let name = line.trim_start().strip_prefix("fn ").or(line.trim_start().strip_prefix("async fn "));
        if let Some(name) = name.and_then(|rest| rest.split(['(', '<']).next())
            && name.split('_').count() > NAME_WORDS
        {
            return Some(format!("a name of over {NAME_WORDS} words: {name}"));
        }
    }
    if !in_code && kind.can_be_broken(line) && line.chars().count() > LINE_LENGTH {
        return Some(format!("over {LINE_LENGTH} characters"));
    }
    if !kind.is_text(line) {
        return None;
    }
    let usual = USUAL.iter().any(|idiom| line.contains(idiom));
    let (_, advice) = PATTERNS
        .iter()
        .find(|(pattern, advice)| pattern.is_match(line) && !(usual && advice.contains("is not a")))?;
    Some((*advice).to_owned())
}

/// The files with text of ours: `wire/` has recordings and this file has the patterns.
fn tracked_files(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let patterns = ["*.rs", "*.md", "*.py", "*.pyi", "*.toml", "*.html", "*.sh"];
    let listed = workspace::read(workspace.command("git").args(["ls-files", "--"]).args(patterns))?;
    let ours = |file: &&str| !file.starts_with("wire/") && *file != "xtask/src/words.rs";
    Ok(listed.lines().filter(ours).map(str::to_owned).collect())
}

/// The subjects of the commits since this check exists.
fn new_subjects(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let first = workspace::read(workspace.command("git").args([
        "log",
        "--diff-filter=A",
        "--format=%H",
        "--",
        "xtask/src/words.rs",
    ]))?;
    let Some(first) = first.lines().last() else { return Ok(Vec::new()) };
    let range = format!("{first}..HEAD");
    let subjects = workspace::read(workspace.command("git").args(["log", "--format=%s", &range]))?;
    Ok(subjects.lines().map(str::to_owned).collect())
}

fn is_long_subject(subject: &str) -> bool {
    subject.chars().count() > SUBJECT_LENGTH
}

#[cfg(test)]
mod tests {
    use super::{Kind, findings_in, is_long_subject};

    fn lines(kind: Kind, text: &str) -> Vec<usize> {
        findings_in(kind, text).map(|(line, _)| line).collect()
    }

    #[test]
    fn each_pattern_is_found() {
        let text = "/// What it does.\n//! Whether.\n// it is no number\n// made anew\n// mended\n// who wants it\n\
                    // is told\n// stands in it\n// beside it\n// that, too\n// Of two values\n";
        assert_eq!(lines(Kind::Rust, text), (1..=11).collect::<Vec<_>>());
        assert_eq!(lines(Kind::Markdown, &text[text.find("// it").expect("third line")..]).len(), 9);
    }

    #[test]
    fn plain_lines_and_code_pass() {
        let text = "/// Returns the key.\nlet beside = anew();\n// is no longer used\n// is not a number\n";
        assert!(lines(Kind::Rust, text).is_empty());
    }

    #[test]
    fn reason_allows_its_line_and_the_next() {
        assert!(lines(Kind::Rust, "x(\"beside\"); // wording: a quotation\n").is_empty());
        assert!(lines(Kind::Markdown, "<!-- wording: a quotation -->\nbeside\n").is_empty());
        assert_eq!(lines(Kind::Markdown, "<!-- wording: a quotation -->\n\nbeside\n"), [3]);
    }

    #[test]
    fn long_names_and_lines_are_found() {
        assert_eq!(lines(Kind::Rust, "    fn one_two_three_four_five_six_seven_eight_nine() {\n"), [1]);
        assert!(lines(Kind::Rust, "    fn one_two_three_four_five_six_seven_eight() {\n").is_empty());
        let long = "x".repeat(121);
        assert_eq!(lines(Kind::Rust, &format!("// {long}\nlet a = \"{long}\";\n")), [1]);
        assert_eq!(lines(Kind::Markdown, &format!("{long}\n| {long} |\n```\n{long}\n```\n")), [1]);
        assert!(is_long_subject(&"x".repeat(73)) && !is_long_subject(&"x".repeat(72)));
    }
}
