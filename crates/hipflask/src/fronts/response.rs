//! Waits for a handler, and then for the store that saves its session: the same under every framework.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::SessionHeaders;
use crate::error::SessionError;
use crate::request::{self, RequestSession};
use crate::session::{Finish, Saving};

/// The headers of a session's response; `None` if a front around this one finishes the session.
pub(crate) type Ended = Option<Result<SessionHeaders, SessionError>>;

pin_project! {
    /// A handler at work, whose answer becomes an `A`.
    pub(crate) struct Answering<F, A> {
        #[pin]
        inner: F,
        // Always there, but while the inner future is polled.
        session: Option<RequestSession>,
        // False if an outer front of the same cookie finishes it.
        finishes: bool,
        // The answer, while a store saves its session.
        saving: Option<Box<(Saving, A)>>,
    }
}

impl<F, A> Answering<F, A> {
    /// Calls the handler as the one of this session, which is finished with its answer unless
    /// `finishes` is false.
    pub(crate) fn call(session: RequestSession, finishes: bool, handler: impl FnOnce() -> F) -> Self {
        let mut session = Some(session);
        let inner = {
            let _current = request::enter(&mut session);
            handler()
        };
        Self { inner, session, finishes, saving: None }
    }

    /// The request's session; `None` while the handler runs.
    #[cfg(feature = "inspector")]
    pub(crate) const fn session(&self) -> Option<&RequestSession> {
        self.session.as_ref()
    }
}

impl<F: Future, A> Answering<F, A> {
    /// The answer and the session's headers. `carries` separates an answer that carries a session
    /// from an error that goes at once, and saves none.
    pub(crate) fn poll_answer<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        carries: impl FnOnce(F::Output) -> Result<A, E>,
    ) -> Poll<Result<(A, Ended), E>> {
        let this = self.project();
        let mut saved = match this.saving.take() {
            Some(saving) => saving,
            None => {
                let polled = {
                    let _current = request::enter(this.session);
                    this.inner.poll(cx)
                };
                let answer = carries(ready!(polled))?;
                let Some(session) = this.session.as_ref().filter(|_| *this.finishes) else {
                    return Poll::Ready(Ok((answer, None)));
                };
                match session.start_finish() {
                    Finish::Now(result) => return Poll::Ready(Ok((answer, Some(result)))),
                    Finish::Later(saving) => Box::new((saving, answer)),
                }
            }
        };
        match saved.0.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Ok((saved.1, Some(result)))),
            Poll::Pending => {
                *this.saving = Some(saved);
                Poll::Pending
            }
        }
    }
}
