//! The errors that stop the command with exit code 2.

use std::io;

/// The reason why the command stopped. Never shows a key, or a text that may be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments contain a key.
    #[error(
        "keys are not accepted as arguments: everybody on this machine could read them in the list of processes, and the \
         shell would keep them in its history"
    )]
    KeyOnCommandLine,
    /// An environment variable does not exist.
    #[error("{option} names a variable that is not set{}", in_brackets(.name))]
    NoVariable {
        /// The option that named it.
        option: &'static str,
        /// The name, if it looks like one.
        name: Option<String>,
    },
    /// A key file cannot be read.
    #[error("cannot read the file of {option}{}", in_brackets(.path))]
    NoFile {
        /// The option that named it.
        option: &'static str,
        /// The file, if there is one.
        path: Option<String>,
        /// The error of the system.
        source: io::Error,
    },
    /// A key file is too large to be one.
    #[error("{path} is not a key file: it has more than {limit} bytes")]
    LargeFile {
        /// The file.
        path: String,
        /// The greatest size of a key file, in bytes.
        limit: usize,
    },
    /// A key is empty.
    #[error("{place} is empty, so anybody could sign; `hipflask key new` generates a key")]
    EmptyKey {
        /// Where the key was found.
        place: String,
    },
    /// The requested key is too short.
    #[error(
        "{bytes} bytes are too few for a key: with less than 16 bytes it can be guessed from a single cookie, without a \
         request to the app; the default is 32"
    )]
    ShortKey {
        /// The requested number of bytes.
        bytes: usize,
    },
    /// The requested key is longer than necessary.
    #[error("{bytes} bytes are too many for a key; the limit is {limit}, the default is 32")]
    LongKey {
        /// The requested number of bytes.
        bytes: usize,
        /// The greatest number of bytes.
        limit: usize,
    },
    /// The page for people was requested for a stream of lines.
    #[error("--human shows one value, and `-` writes JSON lines; remove one of the two")]
    HumanLines,
    /// The system does not provide random bytes.
    #[error("the system does not provide random bytes, so no key was generated")]
    NoRandomness(#[source] getrandom::Error),
    /// A store is not named.
    #[error("missing store; use --store URL, or set HIPFLASK_STORE")]
    NoStore,
    /// clap would repeat a password.
    #[error(
        "invalid arguments, which are not shown because they contain a password; put the URL into --store URL, or better into \
         the variable HIPFLASK_STORE, and see `hipflask store COMMAND --help`"
    )]
    PasswordAmongBadArguments,
    /// A store in the memory of another process.
    #[error("`memory:` is the memory of another process, which this command cannot read")]
    MemoryStore,
    /// A store that was not compiled in.
    #[error(
        "this `hipflask` was built without that store; `cargo install hipflask-cli --features {feature}` adds it, \
         `--features full` adds all stores"
    )]
    FeatureMissing {
        /// The feature.
        feature: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(hipflask_store::StoreError),
    /// A copy failed in the middle.
    #[error(transparent)]
    Copy(hipflask_store::copy::CopyError),
    /// A journal cannot be used.
    #[error(transparent)]
    Journal(hipflask_store::copy::JournalError),
    /// A copy to itself.
    #[error("the source and the destination are the same place")]
    SamePlace,
    /// A copy from a store that does not know its ids.
    #[error("a file store keeps its sessions under digests of their ids, and other stores need the ids")]
    NamesOnly,
    /// `rm` without a selection.
    #[error("no sessions are selected; name them, or use a filter such as --where user_id=7, or --all")]
    WhichSessions,
    /// `rm` with two selections.
    #[error("sessions are named and selected by a filter or --all; remove one of the two")]
    NamedAndFiltered,
    /// Standard input is not a terminal.
    #[error(
        "cannot ask for a confirmation without a terminal; --yes deletes the sessions without one, --dry-run shows them"
    )]
    NobodyToAsk,
    /// The user did not confirm.
    #[error("nothing was deleted")]
    NotConfirmed,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// The page cannot be served.
    #[cfg(feature = "play")]
    #[error("cannot listen on port {port} of this machine; `--port 0` takes a free one")]
    Port {
        /// The requested port.
        port: u16,
        /// The error of the system.
        source: io::Error,
    },
    /// The man pages cannot be written.
    #[error("cannot write the man pages to {folder}")]
    ManPages {
        /// The folder, as it was given.
        folder: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The runtime cannot be started.
    #[error("cannot start the runtime that waits for the store")]
    Runtime(#[source] io::Error),
    /// Standard input failed.
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    /// Standard output failed. A pipe that its reader has closed is not an error.
    #[error("cannot write standard output")]
    Output(#[source] io::Error),
    /// The library refuses the settings.
    #[error(transparent)]
    Settings(#[from] hipflask_core::signing::SignerConfigError),
}

impl Failure {
    /// Returns a fix that the message does not name.
    pub(crate) const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::KeyOnCommandLine => {
                "Put the key into an environment variable or a file, and name that:\n    \
                 hipflask cookie verify --key-env SECRET_KEY VALUE\n    \
                 hipflask cookie verify --key-file FILE VALUE\n\
                 Replace a key that was typed into a shell: `hipflask key new`"
            }
            Self::NoVariable { name: Some(_), .. } => {
                "Set and export it; the option takes the name without `$`"
            }
            Self::NoVariable { name: None, .. } => {
                "The option takes the name of a variable, such as SECRET_KEY, and not its content. The argument is not \
                 shown, because it may be the key itself"
            }
            Self::NoFile { path: None, .. } => {
                "The option takes the path of a file. The argument is not shown, because it may be the key itself"
            }
            Self::NoStore => {
                "hipflask store ls --store file:./flask_session\n\
                 hipflask store ls --store redis://127.0.0.1:6379/0\n\
                 `hipflask store --help` lists all stores"
            }
            Self::NamesOnly => {
                "Put the ids, or the cookies that contain them, into a file, one per line, and pass it:\n    \
                 hipflask store copy FROM TO --ids-from ids.txt\n\
                 Another directory (file:..) does not need them"
            }
            _ => return None,
        })
    }
}

fn in_brackets(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
}
