//! Configuration errors.

/// An invalid configuration of a SQL store. Shows no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The text is not a URL.
    #[error("not a database URL; write `sqlite:FILE`, `postgres://HOST/DB` or `mysql://HOST/DB`")]
    NoScheme,
    /// The scheme is not one of a SQL database.
    #[error("no SQL store for `{scheme}:`; use sqlite:, postgres: or mysql:")]
    UnknownScheme {
        /// The URL's scheme.
        scheme: String,
    },
    /// The feature of the database is missing.
    #[error("a {store} store needs the feature `{store}` of hipflask-store; add it in Cargo.toml")]
    FeatureMissing {
        /// The store, and the feature.
        store: &'static str,
    },
    /// `sqlite://app.db`.
    #[error(
        "`sqlite://` with a file name is ambiguous; write `sqlite:app.db`, or `sqlite:/srv/app.db` for an absolute path"
    )]
    TwoSlashes,
    /// SQLite without a file.
    #[error("SQLite needs a file; for sessions in memory use the memory store")]
    NoFile,
    /// A parameter is unknown to the SQLite store.
    #[error("unknown parameter in the URL; SQLite takes table, schema, connections, timeout and wal")]
    UnknownParameter,
    /// A parameter has an invalid value.
    #[error("invalid value of `{name}` in the URL; write numbers in digits, and `wal` as true or false")]
    BadParameter {
        /// The parameter.
        name: &'static str,
    },
    /// A name is not allowed in a statement.
    #[error(
        "`{name}` cannot be the name of a table, schema or sequence here; use up to 63 bytes of letters, digits, spaces and _ - ."
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The driver refuses the URL.
    #[error("invalid URL of the {store} store; check its parts, and that the password is percent-encoded")]
    BadUrl {
        /// The store.
        store: &'static str,
    },
}
