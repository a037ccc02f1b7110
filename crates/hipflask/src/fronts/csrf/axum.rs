//! [`CsrfRejection`] as a response of axum.

use axum_core::response::{IntoResponse, Response};

use super::layer::refusal;
use crate::csrf::CsrfRejection;

impl IntoResponse for CsrfRejection {
    fn into_response(self) -> Response {
        refusal(&self)
    }
}
