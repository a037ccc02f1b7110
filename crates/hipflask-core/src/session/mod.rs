//! The session: Flask's dict with its flags, and a log of its changes.

mod adopt;
mod changes;
mod data;
mod edit;
mod error;
mod flash;
mod flashing;
#[cfg(test)]
mod tests;

pub use changes::{Change, Changes};
pub(crate) use data::dict_from_json;
pub use data::{Part, SessionDict};
pub use edit::Editor;
pub use error::EntryError;
pub use flash::{DEFAULT_CATEGORY, FLASHES, Flash};
