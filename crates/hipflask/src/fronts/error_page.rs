//! Pages that replace a bare error.

use http::Response;

use crate::error::SessionError;

/// Makes the response to a request whose session could not be opened, because its store failed, or could not be saved. Set with
/// [`SessionLayer::error_page`](crate::SessionLayer::error_page).
pub trait ErrorPage<B> {
    /// The response in the place of `bare`, which has the [status](SessionError::status) of the error and nothing in it.
    fn in_place_of(&self, bare: Response<B>, error: &SessionError) -> Response<B>;
}

/// Leaves the bare response as it is.
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

/// Rides on the response that an error of the session has become, as an extension, so that the layer can put another in its
/// place. Extensions are not sent.
#[derive(Debug, Clone)]
pub(crate) struct Failed(pub(crate) SessionError);
