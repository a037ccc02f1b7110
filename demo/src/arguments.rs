//! The command line.

/// The parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Serve { port: u16, store: Option<String> },
    Help,
}

pub(crate) const HELP: &str = "\
Usage: cargo demo [--port N] [--store URL]

  --port N      the port to listen on: 5000 by default, 0 for any free port
  --store URL   the store of tutorial 3: files in target/ by default, or memory:, file:DIRECTORY. Other stores need
                their feature: `cargo run --package hipflask-demo --features redis -- --store redis://127.0.0.1`";

/// Reads the arguments.
///
/// # Errors
/// Returns the error message for wrong arguments.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    // `cargo demo` adds `--`; another one from the user is ignored.
    let arguments: Vec<String> = arguments.enumerate().filter(is_meant).map(|(_, word)| word).collect();
    let words: Vec<&str> = arguments.iter().flat_map(|argument| both(argument)).collect();
    let (mut port, mut store, mut left) = (5000, None, words.as_slice());
    loop {
        left = match left {
            [] => return Ok(Wanted::Serve { port, store }),
            ["--help" | "-h", ..] => return Ok(Wanted::Help),
            ["--port"] => return Err("option `--port` needs a number".into()),
            ["--port", number, rest @ ..] => {
                let wrong = || format!("--port must be a number from 0 to 65535, not `{number}`");
                port = number.parse().map_err(|_| wrong())?;
                rest
            }
            ["--store"] => return Err("option `--store` needs a URL".into()),
            ["--store", url, rest @ ..] => {
                store = Some((*url).to_owned());
                rest
            }
            [word, ..] => return Err(format!("unknown argument `{word}`")),
        };
    }
}

fn is_meant((place, argument): &(usize, String)) -> bool {
    *place > 0 || argument != "--"
}

/// Splits `--port=81` into `--port` and `81`. A URL stays whole.
fn both(argument: &str) -> impl Iterator<Item = &str> {
    let parts = if argument.starts_with("--") { 2 } else { 1 };
    argument.splitn(parts, '=')
}

#[cfg(test)]
mod tests {
    use super::{Wanted, read};

    fn of(words: &[&str]) -> Result<Wanted, String> {
        read(words.iter().map(|word| (*word).to_owned()))
    }

    fn serve(port: u16, store: Option<&str>) -> Result<Wanted, String> {
        Ok(Wanted::Serve { port, store: store.map(Into::into) })
    }

    #[test]
    fn a_port_can_be_given_in_both_spellings() {
        assert_eq!(of(&[]), serve(5000, None));
        assert_eq!(of(&["--port", "0"]), serve(0, None));
        assert_eq!(of(&["--port=81"]), serve(81, None));
        assert_eq!(of(&["--", "--port", "81"]), serve(81, None));
        assert!(of(&["--port", "81", "--"]).unwrap_err().contains("`--`"));
        assert_eq!(of(&["--store", "file:a?mode=600", "--port=81"]), serve(81, Some("file:a?mode=600")));
        assert_eq!(of(&["--store=file:a?mode=600"]), serve(5000, Some("file:a?mode=600")));
        assert!(of(&["--store"]).unwrap_err().contains("needs a URL"));
        assert!(of(&["--port", "70000"]).unwrap_err().contains("65535"));
        assert!(of(&["--port"]).unwrap_err().contains("needs a number"));
        assert!(of(&["--fast"]).unwrap_err().contains("`--fast`"));
    }
}
