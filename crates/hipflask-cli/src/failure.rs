//! Why the command could not be carried out at all: exit code 2.

use std::io;

/// What stopped the command. Shows no key, and nothing that might be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A key stands among the arguments.
    #[error(
        "a key is never given as an argument: everybody on this machine could read it in the list of processes, and the \
         shell would keep it in its history"
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
    #[error("the file of {option} cannot be read{}", in_brackets(.path))]
    NoFile {
        /// The option that named it.
        option: &'static str,
        /// The file, if there is one.
        path: Option<String>,
        /// What the system said.
        source: io::Error,
    },
    /// A key file is too large to be one.
    #[error("{path} is no key file: it has more than {limit} bytes")]
    LargeFile {
        /// The file.
        path: String,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// A key is empty.
    #[error("{place} is empty, so anybody could sign; put a key there: `hipflask key new` makes one")]
    EmptyKey {
        /// Where the key was found.
        place: String,
    },
    /// A key to be would be short.
    #[error(
        "{bytes} bytes are too few for a key: below 16 bytes it can be guessed from a single cookie, at leisure and \
         without a request to the app; 32 is the default"
    )]
    ShortKey {
        /// How many were asked for.
        bytes: usize,
    },
    /// A key to be would be longer than anybody needs.
    #[error("{bytes} bytes are more than a key needs; take at most {limit}, 32 is the default")]
    LongKey {
        /// How many were asked for.
        bytes: usize,
        /// The most that are made.
        limit: usize,
    },
    /// The page for people was asked for a stream of lines.
    #[error("--human shows one value; `-` writes JSON lines, so leave one of the two out")]
    HumanLines,
    /// The system gives no random bytes.
    #[error("the system gave no random bytes, so no key was made")]
    NoRandomness(#[source] getrandom::Error),
    /// No store is named.
    #[error("no store is named; give --store URL, or set HIPFLASK_STORE")]
    NoStore,
    /// clap would repeat a password.
    #[error(
        "the arguments are not understood, and are not repeated here because a password stands among them; give the URL as \
         --store URL, or better in the variable HIPFLASK_STORE, and ask `hipflask store COMMAND --help`"
    )]
    PasswordAmongBadArguments,
    /// A store in the memory of another process.
    #[error("`memory:` is the memory of one process, and this is another one: there is nothing to look into")]
    MemoryStore,
    /// A store that was not compiled in.
    #[error(
        "this `hipflask` was built without that store; `cargo install hipflask-cli --features {feature}` builds one that has \
         it, `--features full` one that has all"
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
    #[error(
        "a file store keeps its sessions under digests of their ids, and no other store can have them without the ids"
    )]
    NamesOnly,
    /// `rm` without a word.
    #[error("which sessions? Name them, or give a filter such as --where user_id=7, or --all")]
    WhichSessions,
    /// `rm` with too many words.
    #[error("sessions are named, and there is a filter or --all as well; leave one of the two out")]
    NamedAndFiltered,
    /// Nobody can be asked.
    #[error(
        "nobody is at a terminal to be asked; --yes ends the sessions without a question, --dry-run shows them"
    )]
    NobodyToAsk,
    /// Somebody was asked and said no.
    #[error("nothing was ended")]
    NotConfirmed,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// The runtime cannot begin.
    #[error("the system gives this process no means to wait for a store")]
    Runtime(#[source] io::Error),
    /// Standard input broke.
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    /// Standard output broke; a reader that went away is none of this.
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    /// The library refuses the settings.
    #[error(transparent)]
    Settings(#[from] hipflask_core::signing::SignerConfigError),
}

impl Failure {
    /// What to do instead, if the message does not say it.
    pub(crate) const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::KeyOnCommandLine => {
                "Put it into an environment variable or a file, and say which:\n    \
                 hipflask cookie verify --key-env SECRET_KEY VALUE\n    \
                 hipflask cookie verify --key-file FILE VALUE\n\
                 A key that has been typed into a shell is better replaced: `hipflask key new`"
            }
            Self::NoVariable { name: Some(_), .. } => {
                "Set it and export it; the option takes the name, without `$`"
            }
            Self::NoVariable { name: None, .. } => {
                "The option takes the name of a variable, such as SECRET_KEY, and not its content. What stood there is \
                 not repeated here, because it may be the key itself"
            }
            Self::NoFile { path: None, .. } => {
                "The option takes the path of a file. What stood there is not repeated here, because it may be the key \
                 itself"
            }
            Self::NoStore => {
                "hipflask store ls --store file:./flask_session\n\
                 hipflask store ls --store redis://127.0.0.1:6379/0\n\
                 `hipflask store --help` lists all of them"
            }
            Self::NamesOnly => {
                "Put the ids, or the cookies that hold them, into a file, one per line, and give it:\n    \
                 hipflask store copy FROM TO --ids-from ids.txt\n\
                 To another directory (file:..) they can be copied without"
            }
            _ => return None,
        })
    }
}

fn in_brackets(text: &Option<String>) -> String {
    text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
}
