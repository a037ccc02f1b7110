//! Flask's tagged JSON: the text inside a session cookie.
//!
//! JSON knows neither tuples nor bytes, datetimes, UUIDs and Markup; Flask writes each as an object
//! with one key that begins with a space. Spelling and reading are those of Python's `json`: any
//! integer, `NaN`, lone surrogates, ASCII output, keys sorted by code point.
//!
//! ```
//! use hipflask_core::tagged;
//! let text = r#"{"point":{" t":[1,2.0]},"who":"\u00e9"}"#;
//! let value = tagged::from_str(text)?;
//! assert_eq!(tagged::to_string(&value)?, text);
//! # Ok::<(), tagged::JsonError>(())
//! ```

mod error;
mod events;
mod lex;
mod read;
mod scan;
mod tags;
mod typed;
mod write;

pub use error::{JsonError, JsonErrorKind};
pub use events::{Event, EventReader, JsonStr, TupleEnd};
pub use read::{from_slice, from_str, from_str_plain};
pub use write::{KeyOrder, Writer, to_string, to_string_ordered, to_string_plain};

pub(crate) use read::read_member;
pub(crate) use scan::{Member, index, longest};
pub(crate) use tags::is_registered;
pub(crate) use typed::read_typed;
pub(crate) use write::{Style, write_key, write_value};

/// The longest text that is read, in bytes: a thousand times what a cookie can hold.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
