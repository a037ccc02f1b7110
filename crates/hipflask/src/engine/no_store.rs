//! [`Stored`] in a build without the feature `store`: a type without values.

/// The store of an engine, which this build cannot have.
#[derive(Debug)]
pub(crate) enum Stored {}
