//! [`SqlError`]: settings that do not make a SQL store.

/// A configuration that no SQL store can have. Shows no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// No URL.
    #[error("that is no URL of a database; write `sqlite:FILE`, `postgres://HOST/DB` or `mysql://HOST/DB`")]
    NoScheme,
    /// A URL for something else.
    #[error("no SQL store for `{scheme}:`; use sqlite:, postgres: or mysql:")]
    UnknownScheme {
        /// The URL's scheme.
        scheme: String,
    },
    /// The driver was not compiled in.
    #[error("a {store} store needs the feature `{store}` of hipflask-store; add it in Cargo.toml")]
    FeatureMissing {
        /// The store, and the feature.
        store: &'static str,
    },
    /// `sqlite://app.db`.
    #[error(
        "`sqlite://` takes two more readings; write `sqlite:app.db`, or `sqlite:/srv/app.db` for an absolute path"
    )]
    TwoSlashes,
    /// SQLite without a file.
    #[error("SQLite needs a file; to keep sessions in memory use the memory store")]
    NoFile,
    /// A parameter that SQLite has no use for.
    #[error("a parameter of the URL is unknown; SQLite takes table, schema, connections, timeout and wal")]
    UnknownParameter,
    /// A parameter whose value is not understood.
    #[error("the URL's `{name}` is not understood; numbers are written in digits, `wal` is true or false")]
    BadParameter {
        /// Which.
        name: &'static str,
    },
    /// A name that cannot stand in a statement.
    #[error(
        "`{name}` cannot be the name of a table, schema or sequence here; use up to 63 bytes of letters, digits, spaces and _ - ."
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The driver does not understand the URL.
    #[error(
        "the URL of the {store} store is not understood; check its parts, and that the password is percent-encoded"
    )]
    BadUrl {
        /// The store.
        store: &'static str,
    },
}
