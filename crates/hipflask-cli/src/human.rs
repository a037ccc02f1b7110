//! Pages for people: aligned, coloured where it helps, 60 columns wide.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use hipflask_core::tagged;
use hipflask_core::value::{Text, Value};
use hipflask_explain::layout::{self, Word};
use owo_colors::{OwoColorize as _, Style};

use crate::failure::Failure;

/// A page for people with one result.
///
/// Text from a cookie is added only with [`json`](Self::json), which escapes control characters.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Adds the first line of a success.
    pub(crate) fn good(&mut self, headline: &str) {
        self.headline(headline, Style::new().green().bold());
    }

    /// Adds the first line of a doubtful result.
    pub(crate) fn doubtful(&mut self, headline: &str) {
        self.headline(headline, Style::new().yellow().bold());
    }

    /// Adds the first line of a refusal.
    pub(crate) fn bad(&mut self, headline: &str) {
        self.headline(headline, Style::new().red().bold());
    }

    fn headline(&mut self, headline: &str, style: Style) {
        let _ = writeln!(self.text, "{}\n", headline.style(style));
    }

    /// Adds a label and its text, broken into lines.
    pub(crate) fn row(&mut self, label: &str, text: &str) {
        for (at, line) in wrap(text, WIDTH - LABEL).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let _ = writeln!(self.text, "{}{line}", format_args!("{label:LABEL$}").dimmed());
        }
    }

    /// Adds rows, each a label and its text.
    pub(crate) fn rows(&mut self, rows: &[(&str, String)]) {
        rows.iter().for_each(|(label, text)| self.row(label, text));
    }

    /// Adds a list of points with a heading.
    pub(crate) fn points(&mut self, heading: &str, points: &[String]) {
        let _ = writeln!(self.text, "\n{}", heading.bold());
        for point in points {
            for (at, line) in wrap(point, WIDTH - 4).into_iter().enumerate() {
                let _ = writeln!(self.text, "{}{line}", if at == 0 { "  - " } else { "    " });
            }
        }
    }

    /// Adds a line unchanged, so that it can be copied. Not for text from an unsigned cookie.
    pub(crate) fn copyable(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}\n");
    }

    /// Adds the session's JSON, indented, with an explanation of its tags.
    pub(crate) fn json(&mut self, json: &[u8]) {
        self.text.push('\n');
        layout::write(&mut self.text, &String::from_utf8_lossy(json), &coloured);
        self.text.push('\n');
        let tags = layout::tags(json);
        if !tags.is_empty() {
            let _ = writeln!(self.text, "\n{}", format_args!("Flask's tags: {}", tags.join(", ")).dimmed());
        }
    }

    /// The page, in colour.
    pub(crate) fn text(&self) -> &str {
        self.text.trim_end()
    }

    /// Writes the page to standard output, in colour if the terminal supports it.
    pub(crate) fn print(self) -> Result<(), Failure> {
        crate::lines::print(anstream::AutoStream::auto(std::io::stdout()), self.text.as_bytes())
    }
}

/// Returns `true` if standard output is a terminal.
pub(crate) fn is_reading() -> bool {
    std::io::stdout().is_terminal()
}

/// Writes an error to standard error.
pub(crate) fn complain(failure: &Failure) {
    let cause = std::error::Error::source(failure).map(|cause| format!(": {cause}")).unwrap_or_default();
    aside(&format!("error: {failure}{cause}"), "error:", Style::new().red().bold());
    failure.remedy().unwrap_or_default().lines().for_each(|line| hint(&format!("  {line}")));
}

/// Writes a warning to standard error.
pub(crate) fn warn(warning: &str) {
    aside(&format!("warning: {warning}"), "warning:", Style::new().yellow().bold());
}

/// Writes a hint to standard error.
pub(crate) fn hint(text: &str) {
    aside(text, "", Style::new());
}

/// Writes to standard error, on a terminal broken into lines, elsewhere in one line.
fn aside(text: &str, mark: &str, style: Style) {
    let error = std::io::stderr();
    let width = if error.is_terminal() { WIDTH } else { usize::MAX };
    let indent = " ".repeat(text.len() - text.trim_start().len());
    let mut lines = wrap(text.trim_start(), width - indent.len()).join(&format!("\n{indent}"));
    if !mark.is_empty() {
        lines = lines.replacen(mark, &mark.style(style).to_string(), 1);
    }
    // If that fails, there is nowhere to report it.
    let _ = writeln!(anstream::AutoStream::auto(error), "{indent}{lines}");
}

fn coloured(word: Word, text: &str) -> String {
    let style = match word {
        Word::Key => Style::new().cyan(),
        Word::Text => Style::new().green(),
        Word::Other => Style::new().yellow(),
    };
    text.style(style).to_string()
}

/// The name of a session's key, with control characters escaped.
pub(crate) fn plain(name: &Text) -> String {
    // Only nested values can fail.
    let json = tagged::to_string(&Value::Str(name.clone())).unwrap_or_default();
    layout::readable(json.get(1..json.len().saturating_sub(1)).unwrap_or_default())
}

/// `1 session`, `12 000 sessions`.
pub(crate) fn sessions(count: u64) -> String {
    self::count(count, "session")
}

/// `1 session`, `2 sessions`.
pub(crate) fn count(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A number in groups of three digits: `12 000`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes: `512 B`, `1.2 KB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1000.0, 0);
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// Breaks text at spaces into lines of at most `width` characters. Longer words stay whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A width that is easy to read, and that narrow terminals have.
const WIDTH: usize = 60;

const LABEL: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_readable() {
        assert_eq!(
            ["0", "999", "1 000", "1 234 567"],
            [0, 999, 1000, 1_234_567].map(number).each_ref().map(|n| &**n)
        );
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (1234, "1.2 KB"),
            (999_950, "1.0 MB"),
            (16 << 20, "16.8 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((sessions(1), sessions(0)), ("1 session".to_owned(), "0 sessions".to_owned()));
    }

    #[test]
    fn every_key_can_be_shown() {
        assert_eq!(plain(&"Zo\u{eb}\u{1b}[2J\"".into()), "Zo\u{eb}\\u001b[2J\\\"");
    }

    #[test]
    fn text_is_broken_at_spaces_only() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
