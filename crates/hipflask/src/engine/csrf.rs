//! The settings of form tokens: Flask-WTF's `WTF_CSRF_*`.

use std::time::Duration;

use hipflask_core::csrf::{FormTokens, HEADERS, KEY, TIME_LIMIT};
use hipflask_core::signing::{KeyRing, SecretKey, SignerConfigError};

#[derive(Debug, Clone)]
pub(crate) struct CsrfSettings {
    pub(crate) secret_key: Option<SecretKey>,
    /// The name of the form field, and the key in the session.
    pub(crate) field_name: String,
    pub(crate) meta_name: String,
    /// In lower case.
    pub(crate) headers: Vec<String>,
    /// In upper case.
    pub(crate) methods: Vec<String>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) ssl_strict: bool,
    pub(crate) enabled: bool,
    pub(crate) check_default: bool,
    /// Signs the tokens of forms. `None` before the engine is built, and if there is no key.
    pub(crate) signer: Option<FormTokens>,
}

impl Default for CsrfSettings {
    fn default() -> Self {
        Self {
            secret_key: None,
            field_name: KEY.to_owned(),
            meta_name: "csrf-token".to_owned(),
            headers: HEADERS.map(ToOwned::to_owned).to_vec(),
            methods: ["POST", "PUT", "PATCH", "DELETE"].map(ToOwned::to_owned).to_vec(),
            time_limit: Some(TIME_LIMIT),
            ssl_strict: true,
            enabled: true,
            check_default: true,
            signer: None,
        }
    }
}

impl CsrfSettings {
    /// Prepares the signer. Without a key of its own it uses the one that signs sessions.
    pub(crate) fn with_signer(mut self, ring: Option<&KeyRing>) -> Result<Self, SignerConfigError> {
        let key = self.secret_key.as_ref().or_else(|| ring.map(KeyRing::signing));
        self.signer = key.cloned().map(FormTokens::new).transpose()?;
        Ok(self)
    }
}
