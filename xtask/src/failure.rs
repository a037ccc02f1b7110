//! [`Failure`]: the error of every command.

use std::fmt;

/// A failure: what happened and, if it is known, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    remedy: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None }
    }

    pub(crate) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Names the step that failed; `remedy` is shown unless the failure has its own.
    pub(crate) fn in_step(self, step: &str, remedy: &str) -> Self {
        Self {
            what: format!("{step}: {}", self.what),
            remedy: self.remedy.or_else(|| Some(remedy.to_owned())),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed: {}", self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\nTo do:  {remedy}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn failure_says_what_happened_and_what_to_do() {
        let failure = Failure::new("no python3").with_remedy("apt-get install python3");
        assert_eq!(failure.to_string(), "Failed: no python3\nTo do:  apt-get install python3");
    }

    #[test]
    fn step_adds_its_remedy_if_none_exists() {
        let failure = Failure::new("no python3").in_step("setup", "try again");
        assert_eq!(failure.to_string(), "Failed: setup: no python3\nTo do:  try again");
        let failure = Failure::new("a").with_remedy("b").in_step("c", "d");
        assert_eq!(failure.to_string(), "Failed: c: a\nTo do:  b");
    }
}
