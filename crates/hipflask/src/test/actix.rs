//! An actix-web app for the client.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::test::TestRequest;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower_service::Service;

/// The app of `actix_web::test::init_service` as a service for [`TestClient`](super::TestClient).
///
/// See the [module](super) for an example. An error of a middleware is answered as a server answers it.
#[must_use]
pub const fn actix<S>(app: &S) -> ActixApp<'_, S> {
    ActixApp(app)
}

/// An actix-web app that a [`TestClient`](super::TestClient) asks. Made by [`actix`].
pub struct ActixApp<'a, S>(&'a S);

impl<S> Clone for ActixApp<'_, S> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<S> fmt::Debug for ActixApp<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActixApp(..)")
    }
}

impl<'a, S, B> Service<Request<Full<Bytes>>> for ActixApp<'a, S>
where
    S: actix_web::dev::Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let app = self.0;
        Box::pin(async move {
            let response = match app.call(to_actix(request).await).await {
                Ok(response) => response.into_parts().1.map_into_boxed_body(),
                Err(error) => error.error_response(),
            };
            Ok(from_actix(response).await)
        })
    }
}

// actix-web has the types of an older `http`, so each part goes over as the octets that it is.

async fn to_actix(request: Request<Full<Bytes>>) -> actix_http::Request {
    let (head, body) = request.into_parts();
    let method = head.method.as_str().parse().expect("a method");
    let mut made = TestRequest::with_uri(&head.uri.to_string()).method(method);
    for (name, value) in &head.headers {
        made = made.append_header((name.as_str(), value.as_bytes()));
    }
    let body = body.collect().await.unwrap_or_else(|never| match never {});
    made.set_payload(body.to_bytes()).to_request()
}

async fn from_actix(response: actix_web::HttpResponse) -> Response<Full<Bytes>> {
    let (head, body) = response.into_parts();
    let body = to_bytes(body).await.expect("the body arrives whole");
    let mut made = Response::new(Full::from(body));
    *made.status_mut() = StatusCode::from_u16(head.status().as_u16()).expect("a status");
    for (name, value) in head.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).expect("a name");
        made.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    made
}
