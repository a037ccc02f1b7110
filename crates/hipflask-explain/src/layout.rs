//! A session's JSON for people: indented, without control characters for the terminal.

/// Appends `json` in lines. It must be compact, as Python writes it with `separators=(",", ":")`.
///
/// Letters of every script are shown. Control characters, invisible ones and those that change the
/// direction of writing stay escaped. `paint` may add colours to a word.
pub fn write(out: &mut String, json: &str, paint: &dyn Fn(Word, &str) -> String) {
    let mut printer = Printer { out, depth: 0, flat: 0, paint };
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        rest = printer.token(first, rest);
    }
}

/// Explains those of Flask's tags in compact `json` that are not obvious.
#[must_use]
pub fn tags(json: &[u8]) -> Vec<&'static str> {
    // Inside a string a quote follows a backslash, so this matches only tags.
    let is_there = |tag: &str| {
        let start = format!("{{\"{tag}\":");
        json.windows(start.len()).any(|window| window == start.as_bytes())
    };
    TAGS.iter().filter(|(tag, _)| is_there(tag)).map(|(_, meaning)| *meaning).collect()
}

/// A kind of word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The key of an object, in quotes.
    Key,
    /// A string, in quotes.
    Text,
    /// A number, `true`, `false` or `null`.
    Other,
}

struct Printer<'o> {
    out: &'o mut String,
    paint: &'o dyn Fn(Word, &str) -> String,
    depth: usize,
    /// The number of innermost containers that are written on one line.
    flat: usize,
}

impl Printer<'_> {
    /// Writes the token at the start of `rest` and returns what follows.
    fn token<'r>(&mut self, first: char, rest: &'r str) -> &'r str {
        let after = &rest[first.len_utf8()..];
        match first {
            '{' | '[' => {
                let short = self.depth > 0 && is_short(rest) || after.starts_with(['}', ']']);
                self.out.push(first);
                self.depth += 1;
                self.flat = if self.flat > 0 || short { self.flat + 1 } else { 0 };
                self.new_line("");
                after
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.new_line("");
                self.flat = self.flat.saturating_sub(1);
                self.out.push(first);
                after
            }
            ',' => {
                self.out.push(',');
                self.new_line(" ");
                after
            }
            ':' => {
                self.out.push_str(": ");
                after
            }
            '"' => {
                let end = string_end(after);
                let is_key = after[end..].starts_with("\":");
                let word = if is_key { Word::Key } else { Word::Text };
                let text = readable(&after[..end]);
                self.out.push_str(&(self.paint)(word, &format!("\"{text}\"")));
                after.get(end + 1..).unwrap_or_default()
            }
            _ => {
                let end = rest.find([',', ']', '}']).unwrap_or(rest.len());
                self.out.push_str(&(self.paint)(Word::Other, &rest[..end]));
                &rest[end..]
            }
        }
    }

    fn new_line(&mut self, or: &str) {
        if self.flat > 0 {
            self.out.push_str(or);
            return;
        }
        self.out.push('\n');
        // A deeply nested session would not fit the width of a terminal.
        (0..self.depth.min(DEEPEST_INDENT)).for_each(|_| self.out.push_str("  "));
    }
}

/// Returns `true` if the container at the start of `json` is short enough for one line.
fn is_short(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes().take(LONGEST_ON_ONE_LINE) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return true;
        }
    }
    false
}

/// Returns the end of the string whose opening quote is before `text`.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Returns the inside of a JSON string with printable characters instead of their `\u` escapes.
#[must_use]
pub fn readable(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(letter) = rest.chars().next() {
        let length = match escape(rest) {
            Some((letter, length)) if is_printable(letter) => {
                out.push(letter);
                length
            }
            // A backslash and the character after it belong together: `\\u00e9` is not a letter.
            _ if letter == '\\' => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                length
            }
            _ if letter.is_ascii_graphic() || letter == ' ' || is_printable(letter) => {
                out.push(letter);
                letter.len_utf8()
            }
            _ => {
                letter
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                letter.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// Returns the character of the `\u` escape, or pair of escapes, at the start of `text`, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if let Some(letter) = char::from_u32(first.into()) {
        return Some((letter, 6));
    }
    let letter = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((letter, 12))
}

/// Returns `true` if a character outside of ASCII is visible and does not move others.
fn is_printable(letter: char) -> bool {
    // The standard library escapes invisible characters, but not accents after a letter.
    !letter.is_ascii() && ['a', letter].iter().collect::<String>().escape_debug().count() == 2
}

const TAGS: [(&str, &str); 5] = [
    (" t", "\" t\" tuple"),
    (" b", "\" b\" bytes in base64"),
    (" m", "\" m\" markup"),
    (" u", "\" u\" UUID"),
    (" d", "\" d\" datetime"),
];

const DEEPEST_INDENT: usize = 20;

const LONGEST_ON_ONE_LINE: usize = 44;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        let mut out = String::new();
        write(&mut out, json, &|_, word| word.to_owned());
        out
    }

    #[test]
    fn only_long_containers_are_broken_into_lines() {
        assert_eq!(shown("{}"), "{}");
        assert_eq!(shown(r#"{"a":1,"b":[]}"#), "{\n  \"a\": 1,\n  \"b\": []\n}");
        let flashes =
            r#"{"_flashes":[{" t":["message","Welcome back, Ada"]},{" t":["error","no"]}],"n":null}"#;
        let lines = "{\n  \"_flashes\": [\n    {\" t\": [\"message\", \"Welcome back, Ada\"]},\n    \
                     {\" t\": [\"error\", \"no\"]}\n  ],\n  \"n\": null\n}";
        assert_eq!(shown(flashes), lines);
    }

    #[test]
    fn letters_are_shown_and_control_characters_are_not() {
        assert_eq!(shown(r#"["Zo\u00eb \ud83d\ude00 \u0939\u093f"]"#), "[\n  \"Zoë 😀 हि\"\n]");
        let odd = r#"["\u001b[31m\u009b\u202e\u200b\ufeff\ud800\u2028\u007f\n\"\\u00e9"]"#;
        assert_eq!(shown(odd), format!("[\n  {}\n]", &odd[1..odd.len() - 1]));
        assert_eq!(shown("[\"\x7f\"]"), "[\n  \"\\u007f\"\n]");
    }

    #[test]
    fn invalid_json_does_not_make_the_printer_panic() {
        for text in ["", "\"", "\"\\", "}}]]", "{\"a\"", "[\"\u{1b}", "\"\\ud83d\\u", "\"\\u12", "é\"é\\é"]
        {
            shown(text);
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(shown(&deep).len() < 1_000_000);
    }

    #[test]
    fn only_real_tags_are_explained() {
        assert_eq!(tags(br#"{"a":{" t":[1]},"b":{" d":"x"}}"#), ["\" t\" tuple", "\" d\" datetime"]);
        assert!(tags(br#"{"a":"{\" t\":1}"}"#).is_empty());
    }
}
