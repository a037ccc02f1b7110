//! JSON lines: one line in, one line out, in order, while the input is still arriving.

use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Read, Write};

use hipflask_core::tagged;
use hipflask_core::value::Value;

use crate::failure::Failure;

/// The longest line that is processed, in bytes, without its end. A browser keeps a cookie of 4 KiB.
pub(crate) const LONGEST: usize = 1 << 20;

/// Writes a line of `output` for every line of `input`. Returns `true` if all lines were accepted.
///
/// `answer` appends to the line of output, and returns `true` if it accepts the line of input. It
/// gets `None` for a line that is too long or not UTF-8. The output is flushed before the function
/// waits for more input, so that another program can send line by line. If the reader of `output`
/// closes the pipe, the function returns without an error.
pub(crate) fn answer_each(
    input: impl Read,
    output: impl Write,
    mut answer: impl FnMut(Option<&str>, &mut Vec<u8>) -> bool,
) -> Result<bool, Failure> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut answers =
        Answers { output: BufWriter::with_capacity(BUFFER, output), line: Vec::new(), all_good: true };
    match answer_lines(&mut input, &mut answers, &mut answer) {
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            // The rest of the buffer does not have a reader: do not try again when it is dropped.
            let _ = answers.output.into_parts();
        }
        other => other?,
    }
    Ok(answers.all_good)
}

fn answer_lines(
    input: &mut BufReader<impl Read>,
    answers: &mut Answers<impl Write>,
    answer: &mut impl FnMut(Option<&str>, &mut Vec<u8>) -> bool,
) -> Result<(), Failure> {
    let mut started = Started::default();
    loop {
        if input.buffer().is_empty() {
            answers.output.flush().map_err(Failure::Output)?;
        }
        let at_hand = match input.fill_buf() {
            Ok(at_hand) => at_hand,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Input(error)),
        };
        if at_hand.is_empty() {
            break;
        }
        let taken = match at_hand.iter().position(|&byte| byte == b'\n') {
            Some(end) if started.is_empty() => {
                answers.add(text(&at_hand[..end]), answer)?;
                end + 1
            }
            Some(end) => {
                started.extend(&at_hand[..end]);
                answers.add(started.text(), answer)?;
                started.clear();
                end + 1
            }
            None => {
                started.extend(at_hand);
                at_hand.len()
            }
        };
        input.consume(taken);
    }
    if !started.is_empty() {
        answers.add(started.text(), answer)?;
    }
    answers.output.flush().map_err(Failure::Output)
}

struct Answers<W: Write> {
    output: BufWriter<W>,
    line: Vec<u8>,
    all_good: bool,
}

impl<W: Write> Answers<W> {
    fn add(
        &mut self,
        text: Option<&str>,
        answer: &mut impl FnMut(Option<&str>, &mut Vec<u8>) -> bool,
    ) -> Result<(), Failure> {
        self.line.clear();
        self.all_good &= answer(text, &mut self.line);
        self.line.push(b'\n');
        self.output.write_all(&self.line).map_err(Failure::Output)
    }
}

/// The beginning of a line whose end has not arrived yet. Of a line that is too long only the length is kept.
#[derive(Default)]
struct Started {
    bytes: Vec<u8>,
    seen: usize,
}

impl Started {
    const fn is_empty(&self) -> bool {
        self.seen == 0
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len());
        // One byte over the limit is kept for a carriage return.
        if self.seen <= LONGEST + 1 {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.bytes = Vec::new();
        }
    }

    fn text(&self) -> Option<&str> {
        (self.seen == self.bytes.len()).then(|| text(&self.bytes)).flatten()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.seen = 0;
    }
}

/// Returns a line without its end, if it is UTF-8 and not too long.
pub(crate) fn text(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (line.len() <= LONGEST).then(|| std::str::from_utf8(line).ok()).flatten()
}

/// Appends `{"ok":false,"reason":"..."}`. `reason` is a word that JSON does not have to escape.
pub(crate) fn refuse(line: &mut Vec<u8>, reason: &str) {
    push(line, &["{\"ok\":false,\"reason\":\"", reason, "\"}"]);
}

/// [`refuse`] with a sentence that describes the error.
pub(crate) fn refuse_with(line: &mut Vec<u8>, reason: &str, detail: &str) {
    // Only nested values can fail.
    let detail = tagged::to_string(&Value::from(detail)).unwrap_or_default();
    push(line, &["{\"ok\":false,\"reason\":\"", reason, "\",\"detail\":", &detail, "}"]);
}

/// Appends pieces of text.
pub(crate) fn push(line: &mut Vec<u8>, pieces: &[&str]) {
    pieces.iter().for_each(|piece| line.extend_from_slice(piece.as_bytes()));
}

/// Appends the JSON of a session, which is ASCII without line breaks. DEL, the only control
/// character that Python's JSON does not escape, is escaped, because lines are also shown on
/// terminals.
pub(crate) fn push_json(line: &mut Vec<u8>, json: &[u8]) {
    for (at, piece) in json.split(|&byte| byte == DEL).enumerate() {
        if at > 0 {
            line.extend_from_slice(b"\\u007f");
        }
        line.extend_from_slice(piece);
    }
}

/// Writes the output of a command. It is not an error if the reader has closed the pipe.
pub(crate) fn print(mut output: impl Write, text: &[u8]) -> Result<(), Failure> {
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Standard input and output, without a buffer for lines.
pub(crate) fn standard() -> (impl Read, impl Write) {
    (io::stdin().lock(), io::stdout().lock())
}

const BUFFER: usize = 64 * 1024;

const DEL: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn echo(input: impl Read) -> String {
        let mut output = Vec::new();
        answer_each(input, &mut output, say).unwrap();
        String::from_utf8(output).unwrap()
    }

    fn say(line: Option<&str>, out: &mut Vec<u8>) -> bool {
        match line {
            Some(line) if line.len() < 10 => push(out, &["[", line, "]"]),
            Some(line) => push(out, &["[", &line.len().to_string(), "]"]),
            None => push(out, &["malformed"]),
        }
        line.is_some()
    }

    #[test]
    fn every_line_gets_an_answer() {
        assert_eq!(echo(&b""[..]), "");
        assert_eq!(echo(&b"a\n\nb\r\nc"[..]), "[a]\n[]\n[b]\n[c]\n");
        assert_eq!(echo(&b"\xff\na\n"[..]), "malformed\n[a]\n");
    }

    #[test]
    fn line_of_the_greatest_length_is_accepted() {
        for end in ["\n", "\r\n", ""] {
            let lines = |len: usize| format!("a\n{}{end}", "x".repeat(len));
            assert_eq!(echo(lines(LONGEST).as_bytes()), format!("[a]\n[{LONGEST}]\n"), "{end:?}");
            assert_eq!(echo(lines(LONGEST + 1).as_bytes()), "[a]\nmalformed\n", "{end:?}");
        }
        let then_more = format!("{}\nb\n", "x".repeat(10 * LONGEST));
        assert_eq!(echo(then_more.as_bytes()), "malformed\n[b]\n");
    }

    /// Returns a piece at each read, and counts the bytes that were written before.
    struct Pieces<'w> {
        pieces: std::vec::IntoIter<&'static [u8]>,
        written: &'w RefCell<Vec<u8>>,
        seen: &'w RefCell<Vec<usize>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.seen.borrow_mut().push(self.written.borrow().len());
            let piece = self.pieces.next().unwrap_or_default();
            room[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    struct Shared<'w>(&'w RefCell<Vec<u8>>);

    impl Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_are_written_before_more_input_is_read() {
        let (written, seen) = (RefCell::default(), RefCell::default());
        let pieces: Vec<&'static [u8]> = vec![b"a\nb", b"c", b"d\n", b"e\nf\n"];
        let input = Pieces { pieces: pieces.into_iter(), written: &written, seen: &seen };
        answer_each(input, Shared(&written), say).unwrap();
        assert_eq!(*written.borrow(), b"[a]\n[bcd]\n[e]\n[f]\n");
        assert_eq!(*seen.borrow(), [0, 4, 4, 10, 18]);
    }

    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn closed_reader_is_quiet_full_disk_is_not() {
        assert!(matches!(answer_each(&b"a\n"[..], Closed(ErrorKind::BrokenPipe), say), Ok(true)));
        let full = answer_each(&b"a\n"[..], Closed(ErrorKind::StorageFull), say);
        assert!(matches!(full, Err(Failure::Output(_))));
    }

    #[test]
    fn control_character_that_json_keeps_is_escaped() {
        let mut line = Vec::new();
        push_json(&mut line, b"\"a\x7fb\"");
        assert_eq!(line, br#""a\u007fb""#);
    }

    #[test]
    fn a_detail_is_json_whatever_is_in_it() {
        let mut line = Vec::new();
        refuse_with(&mut line, "bad_payload", "a \"quote\"\n\u{1b}");
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["detail"], "a \"quote\"\n\u{1b}");
    }
}
