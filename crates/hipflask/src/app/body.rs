//! The body of a request, with the time limit of its client.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::Patience;

/// Set when the body of a request has arrived too slowly.
#[derive(Debug, Clone, Default)]
pub(super) struct TooSlow(Arc<AtomicBool>);

impl TooSlow {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The error of a body that arrives too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request arrived too slowly; see `App::body_timeout`")]
struct BodyTimeout;

pin_project! {
    /// A body that fails if its client keeps the app waiting for too long.
    pub(super) struct PatientBody<B> {
        #[pin]
        body: B,
        #[pin]
        limit: Option<Sleep>,
        patience: Patience,
        too_slow: TooSlow,
    }
}

impl<B> PatientBody<B> {
    pub(super) const fn new(body: B, patience: Patience, too_slow: TooSlow) -> Self {
        Self { body, limit: None, patience, too_slow }
    }
}

impl<B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>> HttpBody for PatientBody<B> {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        if this.too_slow.get() {
            return Poll::Ready(Some(Err(BodyTimeout.into())));
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
            this.patience.moved(data.map_or(0, Bytes::len), Instant::now);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.patience.wait(Instant::now());
        if this.limit.as_ref().as_pin_ref().is_none_or(|limit| limit.deadline() != deadline) {
            this.limit.set(Some(sleep_until(deadline)));
        }
        match this.limit.as_pin_mut().map(|limit| limit.poll(cx)) {
            Some(Poll::Ready(())) => {
                this.too_slow.0.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(BodyTimeout.into())))
            }
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
