//! [`Form`]: what a browser's form sends.

use std::ops::Deref;

use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::pages;
use crate::explain::Explanation;
use crate::repr::repr;

/// The fields of a form, as a struct of yours: axum's `Form` with Flask's answers where something is missing.
///
/// Where Flask has `request.form['username']`, a field without a default is needed: a request that
/// does not have it is answered with 400 and the field's name. `#[serde(default)]` or an `Option`
/// is `request.form.get('username')`. A form sent with `GET` is in the query, and is read from
/// there.
///
/// ```
/// use hipflask::{Form, Session, SessionError};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Login { username: String }
///
/// async fn login(session: Session, form: Form<Login>) -> Result<(), SessionError> {
///     session.set("username", &form.username)
/// }
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[doc(alias = "request.form")]
pub struct Form<T>(pub T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = BadForm;

    async fn from_request(request: Request, state: &S) -> Result<Self, BadForm> {
        match axum::Form::<T>::from_request(request, state).await {
            Ok(axum::Form(form)) => Ok(Self(form)),
            // A body of another kind has no fields, as in Flask.
            Err(FormRejection::InvalidFormContentType(_)) => serde_urlencoded::from_str("")
                .map(Self)
                .map_err(|error| BadForm::from_text(&error.to_string())),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(BadForm::TooLarge),
            Err(rejection) => Err(BadForm::from_text(&rejection.body_text())),
        }
    }
}

/// A form that cannot be taken. Answered with 400, or 413 if it is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadForm {
    /// A field is needed and not there.
    #[error("the form has no field {field:?}")]
    MissingField {
        /// Its name.
        field: String,
    },
    /// A field does not fit the struct, or the body is not a form.
    #[error("{0}")]
    Unreadable(String),
    /// The body is larger than the app takes.
    #[error("the form is larger than the app takes; see `App::max_content_length`")]
    TooLarge,
}

impl BadForm {
    /// serde says it in words, and in no other way.
    fn from_text(text: &str) -> Self {
        let field = text.split_once("missing field `").and_then(|(_, rest)| rest.split_once('`'));
        match field {
            Some((field, _)) => Self::MissingField { field: field.to_owned() },
            None => Self::Unreadable(text.to_owned()),
        }
    }
}

impl IntoResponse for BadForm {
    fn into_response(self) -> Response {
        tracing::debug!(error = %self, "form");
        match &self {
            Self::MissingField { field } => {
                pages::bad_request(Some(&format!("KeyError: {}", repr(&field.as_str().into()))))
            }
            Self::Unreadable(_) => {
                let mut response = pages::bad_request(None);
                response.extensions_mut().insert(Explanation::of(&self));
                response
            }
            Self::TooLarge => pages::too_large(),
        }
    }
}
