//! The command line.

/// What the person asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Serve { port: u16 },
    Help,
}

pub(crate) const HELP: &str = "Usage: cargo demo [--port N]\n\n  --port N   where to listen: 5000 unless given, 0 for any port that is free";

/// Reads the arguments.
///
/// # Errors
/// What is wrong with them, for the person who typed them.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().flat_map(|argument| argument.splitn(2, '=')).collect();
    match words.as_slice() {
        [] => Ok(Wanted::Serve { port: 5000 }),
        ["--port"] => Err("--port needs a number after it".into()),
        ["--port", number] => match number.parse() {
            Ok(port) => Ok(Wanted::Serve { port }),
            Err(_) => Err(format!("--port must be a number from 0 to 65535, not `{number}`")),
        },
        ["--help" | "-h"] => Ok(Wanted::Help),
        [word, ..] => Err(format!("`{word}` is not known here")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, read};

    fn of(words: &[&str]) -> Result<Wanted, String> {
        read(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn a_port_can_be_given_in_both_spellings() {
        assert_eq!(of(&[]), Ok(Wanted::Serve { port: 5000 }));
        assert_eq!(of(&["--port", "0"]), Ok(Wanted::Serve { port: 0 }));
        assert_eq!(of(&["--port=81"]), Ok(Wanted::Serve { port: 81 }));
        assert!(of(&["--port", "70000"]).unwrap_err().contains("65535"));
        assert!(of(&["--port"]).unwrap_err().contains("needs a number"));
        assert!(of(&["--fast"]).unwrap_err().contains("`--fast`"));
    }
}
