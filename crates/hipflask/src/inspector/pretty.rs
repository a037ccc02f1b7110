//! JSON laid out for people.

/// Lays out JSON that is known to be valid: a member a line, two spaces a level. Texts and numbers
/// stay as they are spelled.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut rest = json.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                out.push('"');
                while let Some(c) = rest.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                match rest.next_if(|c| matches!(c, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    // Deeply nested JSON would fill the page, and memory, with spaces.
    out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
}

const MAX_INDENT: usize = 16;

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn members_get_their_own_lines_texts_stay() {
        assert_eq!(
            indented(r#"{"a":[1, 2],"b":{},"c":"{\"x\":[]}","d":[ ]}"#),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": \"{\\\"x\\\":[]}\",\n  \"d\": []\n}"
        );
        assert_eq!(indented("{}"), "{}");
    }
}
