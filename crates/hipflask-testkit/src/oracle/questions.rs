//! The parameters of a question.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Keys, and the attributes of Flask's session interface that apps override; the default is Flask's
/// with the key `k`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Newest first: the first signs, every one verifies.
    #[serde(with = "crate::hex::list")]
    pub keys: Vec<Vec<u8>>,
    /// `cookie-session` in Flask.
    pub salt: String,
    /// A name of Python's `hashlib`: `sha1` in Flask.
    pub digest: String,
    /// `hmac` in Flask; also `concat`, `django-concat`, `none`.
    pub derivation: String,
    /// The clock, in seconds since 1970.
    pub at: u64,
}

impl Settings {
    /// Flask's settings with these keys, newest first.
    pub fn with_keys<K: Into<Vec<u8>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    pub(crate) fn question(&self) -> Map<String, Value> {
        object(self)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: vec![b"k".to_vec()],
            salt: "cookie-session".to_owned(),
            digest: "sha1".to_owned(),
            derivation: "hmac".to_owned(),
            at: 1_700_000_000,
        }
    }
}

/// A session at the end of a request, as `save_session` gets it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SaveCase {
    /// Keys and clock.
    #[serde(flatten)]
    pub settings: Settings,
    /// Flask's configuration, such as `SESSION_COOKIE_SECURE`.
    pub config: Map<String, Value>,
    /// The description of the session; the key `_permanent` makes it permanent.
    pub session: String,
    /// `true` if the session was changed.
    pub modified: bool,
    /// `true` if the session was read.
    pub accessed: bool,
    /// Headers that are on the response already.
    pub headers: Vec<(String, String)>,
}

/// A request in which a view takes steps on `flask.session`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Visit {
    /// Keys and clock.
    #[serde(flatten)]
    pub settings: Settings,
    /// Flask's configuration, such as `SESSION_COOKIE_SECURE`.
    pub config: Map<String, Value>,
    /// The `Cookie` header that the request brings.
    pub cookie: Option<String>,
    /// Each a list of a name from `STEPS` in `wire/judge.py` and its arguments: `["set", "a", "i1"]`.
    pub steps: Vec<Value>,
}

/// The fields of something that serializes as an object.
pub(crate) fn object(question: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(question) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
