//! The cost of a request that does not use its session.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer as _, Service};

use crate::front::sessions;

/// As little of a handler as can be.
#[derive(Clone)]
struct Nothing;

impl Service<Request<()>> for Nothing {
    type Response = Response<()>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Response<()>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(())))
    }
}

#[test]
fn untouched_request_allocates_alike_for_any_cookie() {
    let mut service = sessions().layer().layer(Nothing);
    let mut cost = |cookie: &[String]| {
        let mut request = Request::new(());
        for line in cookie {
            request.headers_mut().append("cookie", line.parse().unwrap());
        }
        let mut request = Some(request);
        let measured = allocation_counter::measure(|| {
            let future = service.call(request.take().unwrap());
            let mut future = std::pin::pin!(future);
            let polled = future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
            assert!(polled.is_ready());
        });
        (measured.count_total, measured.bytes_total)
    };
    let session = |bytes: usize| vec![format!("theme=dark; session={}.ZVPxAA.abc", "e".repeat(bytes))];
    // A thread's first request sets the thread up.
    cost(&[]);
    let first = cost(&session(1));
    assert_eq!(cost(&session(40)), first);
    assert_eq!(cost(&session(4000)), first);
    assert_eq!(cost(&["theme=dark".into()]), first);
    // The session with the place for its login, three for the first extension of a request, and one to
    // share a header that a test has made.
    let (allocations, bytes) = first;
    assert!(allocations <= 5 && bytes <= 552, "{allocations} allocations, {bytes} bytes");
}
