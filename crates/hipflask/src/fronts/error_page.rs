//! Pages that replace a bare error.

use http::Response;

use crate::error::SessionError;

/// A page for requests whose session could not be opened, because its store failed, or could not be saved. Set with
/// [`SessionLayer::error_page`](crate::SessionLayer::error_page).
pub trait ErrorPage<B> {
    /// Returns the response to send in place of `bare`, which is empty and has the error's
    /// [status](SessionError::status).
    fn in_place_of(&self, bare: Response<B>, error: &SessionError) -> Response<B>;
}

/// The default [`ErrorPage`]: the bare response, unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct BarePage;

impl<B> ErrorPage<B> for BarePage {
    fn in_place_of(&self, bare: Response<B>, _: &SessionError) -> Response<B> {
        bare
    }
}

impl<B, F: Fn(&SessionError) -> Response<B>> ErrorPage<B> for F {
    fn in_place_of(&self, _: Response<B>, error: &SessionError) -> Response<B> {
        self(error)
    }
}

/// Rides on the response that an error of the session has become, as an extension, so that the
/// layer can put another in its place. Extensions are not sent.
#[derive(Debug, Clone)]
pub(crate) struct Failed(pub(crate) SessionError);
