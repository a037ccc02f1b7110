//! `hipflask completions`: scripts that complete the command's words in a shell.

use std::io;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::lines;

/// Print a script that completes the words of this command
///
/// The script knows the commands and options of this version; print it again after an update.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell that reads the script
    shell: Script,
}

/// The shells whose scripts are tested.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Script {
    Bash,
    Fish,
    Zsh,
}

impl Completions {
    pub(crate) fn run(self, whole: &mut Command) -> Result<bool, Failure> {
        let shell = match self.shell {
            Script::Bash => Shell::Bash,
            Script::Fish => Shell::Fish,
            Script::Zsh => Shell::Zsh,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, whole, "hipflask", &mut script);
        lines::print(io::stdout(), &script)?;
        Ok(true)
    }
}

const EXAMPLES: &str = "\
Examples:
  hipflask completions bash > ~/.local/share/bash-completion/completions/hipflask
  hipflask completions fish > ~/.config/fish/completions/hipflask.fish
  hipflask completions zsh > ~/.zfunc/_hipflask    with `fpath+=~/.zfunc` before compinit in ~/.zshrc";
