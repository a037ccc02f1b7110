//! The token of a session, for forms and scripts.

use hipflask_core::csrf::{FormTokens, raw_token};
use hipflask_core::value::Value;

use crate::engine::CsrfSettings;
use crate::error::{SessionError, WriteError};
use crate::session::Session;

impl Session {
    /// Returns the token that a form or a script must send back: Flask-WTF's `generate_csrf`. Calls in
    /// one request return the same token.
    ///
    /// The first call of a session puts a random text in it under `csrf_token`.
    ///
    /// # Errors
    /// [`SessionError::NoSecretKey`] if the engine has no key to sign with; otherwise as
    /// [`insert`](Self::insert).
    #[doc(alias = "generate_csrf")]
    pub fn csrf_token(&self) -> Result<String, SessionError> {
        let engine = self.engine();
        let settings = &engine.surroundings().csrf;
        let signer = settings.signer.as_ref().ok_or(SessionError::NoSecretKey)?;
        let raw = self.raw_csrf_token(settings)?;
        sign(signer, &raw, self)
    }

    /// Returns a hidden form field with the token, as HTML: Flask-WTF's `form.hidden_tag()`.
    ///
    /// # Errors
    /// As [`csrf_token`](Self::csrf_token).
    #[doc(alias = "hidden_tag")]
    pub fn csrf_field(&self) -> Result<String, SessionError> {
        let token = self.csrf_token()?;
        Ok(hidden_field(&self.engine().surroundings().csrf, &token))
    }

    /// Returns the random text in the session. Creates it if it is missing, or was not made by
    /// Flask-WTF or this crate.
    fn raw_csrf_token(&self, settings: &CsrfSettings) -> Result<String, SessionError> {
        let field = settings.field_name.as_str();
        let existing = self.with(|data| usable(data.value(field)).map(ToOwned::to_owned))?;
        if let Some(raw) = existing {
            return Ok(raw);
        }
        let raw = random_token()?;
        self.insert(field, raw.as_str())?;
        Ok(raw)
    }
}

/// Returns the text of a session's token. No token matches one that is not ASCII text.
fn usable(in_session: Option<&Value>) -> Option<&str> {
    in_session?.as_str().filter(|raw| raw.is_ascii())
}

fn random_token() -> Result<String, SessionError> {
    let mut random = [0; 64];
    getrandom::fill(&mut random).map_err(WriteError::encoding)?;
    Ok(raw_token(&random))
}

fn sign(signer: &FormTokens, raw: &str, session: &Session) -> Result<String, SessionError> {
    signer.sign(raw, session.now()).map_err(|error| WriteError::encoding(error).into())
}

/// The hidden field as Flask-WTF writes it. A token needs no escaping.
pub(crate) fn hidden_field(settings: &CsrfSettings, token: &str) -> String {
    let name = escaped(&settings.field_name);
    format!("<input id=\"{name}\" name=\"{name}\" type=\"hidden\" value=\"{token}\">")
}

/// The `meta` element as Flask-WTF writes it.
#[cfg(feature = "templates")]
pub(crate) fn meta_tag(settings: &CsrfSettings, token: &str) -> String {
    format!("<meta name=\"{}\" content=\"{token}\">", escaped(&settings.meta_name))
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('"', "&#34;").replace('<', "&lt;").replace('>', "&gt;")
}
