//! Pages for people: aligned, coloured where it helps, 60 columns wide.

mod json;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use owo_colors::{OwoColorize as _, Style};

use crate::failure::Failure;

/// What a person reads of one answer.
///
/// Text that comes from a cookie gets in through [`json`](Self::json) alone, which lets nothing through that a terminal
/// would obey.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// The first line: it is good.
    pub(crate) fn good(&mut self, headline: &str) {
        self.headline(headline, Style::new().green().bold());
    }

    /// The first line: it may be good or not.
    pub(crate) fn doubtful(&mut self, headline: &str) {
        self.headline(headline, Style::new().yellow().bold());
    }

    /// The first line: it is refused.
    pub(crate) fn bad(&mut self, headline: &str) {
        self.headline(headline, Style::new().red().bold());
    }

    fn headline(&mut self, headline: &str, style: Style) {
        let _ = writeln!(self.text, "{}\n", headline.style(style));
    }

    /// A label and what belongs to it, broken into lines.
    pub(crate) fn row(&mut self, label: &str, text: &str) {
        for (at, line) in wrap(text, WIDTH - LABEL).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let _ = writeln!(self.text, "{}{line}", format_args!("{label:LABEL$}").dimmed());
        }
    }

    /// Points under a heading, one of which may be what helps.
    pub(crate) fn points(&mut self, heading: &str, points: &[String]) {
        let _ = writeln!(self.text, "\n{}", heading.bold());
        for point in points {
            for (at, line) in wrap(point, WIDTH - 4).into_iter().enumerate() {
                let _ = writeln!(self.text, "{}{line}", if at == 0 { "  - " } else { "    " });
            }
        }
    }

    /// A line to be copied, as it is. Not for text from a cookie that nobody signed.
    pub(crate) fn copyable(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}\n");
    }

    /// The session's JSON, indented, with what its tags stand for.
    pub(crate) fn json(&mut self, json: &[u8]) {
        self.text.push('\n');
        json::write(&mut self.text, &String::from_utf8_lossy(json));
        self.text.push('\n');
        let tags = json::tags(json);
        if !tags.is_empty() {
            let _ = writeln!(self.text, "\n{}", format_args!("Flask's tags: {}", tags.join(", ")).dimmed());
        }
    }

    /// Writes the page to standard output; in colour only where colour is wanted.
    pub(crate) fn print(self) -> Result<(), Failure> {
        crate::lines::print(anstream::AutoStream::auto(std::io::stdout()), self.text.as_bytes())
    }
}

/// Whether somebody reads what goes to standard output.
pub(crate) fn is_reading() -> bool {
    std::io::stdout().is_terminal()
}

/// Says on standard error why the command could not be carried out.
pub(crate) fn complain(failure: &Failure) {
    let cause = std::error::Error::source(failure).map(|cause| format!(": {cause}")).unwrap_or_default();
    aside(&format!("error: {failure}{cause}"), "error:", Style::new().red().bold());
    failure.remedy().unwrap_or_default().lines().for_each(|line| hint(&format!("  {line}")));
}

/// Says on standard error what is doubtful.
pub(crate) fn warn(warning: &str) {
    aside(&format!("warning: {warning}"), "warning:", Style::new().yellow().bold());
}

/// Says on standard error what is good to know.
pub(crate) fn hint(text: &str) {
    aside(text, "", Style::new());
}

/// Says something on standard error that is not the answer: for people broken into lines, for logs in one.
fn aside(text: &str, mark: &str, style: Style) {
    let error = std::io::stderr();
    let width = if error.is_terminal() { WIDTH } else { usize::MAX };
    let indent = " ".repeat(text.len() - text.trim_start().len());
    let mut lines = wrap(text.trim_start(), width - indent.len()).join(&format!("\n{indent}"));
    if !mark.is_empty() {
        lines = lines.replacen(mark, &mark.style(style).to_string(), 1);
    }
    // Nobody is left to tell if that fails.
    let _ = writeln!(anstream::AutoStream::auto(error), "{indent}{lines}");
}

/// Breaks text at spaces into lines of at most `width` characters, if its words allow that.
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

/// Text is easiest to read at this width, and a narrow terminal has it.
const WIDTH: usize = 60;

const LABEL: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_a_long_word_is_left_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 3), ["unbreakable"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
