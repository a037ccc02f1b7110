//! The socket of a connection, with the time limits of its client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::{Limits, Patience};

/// The requests of one connection, as its service counts them and its socket reads them.
#[derive(Debug, Default)]
pub(super) struct Requests {
    begun: AtomicU64,
    ended: AtomicU64,
    /// The connection no longer speaks HTTP, so its client may be silent.
    upgraded: AtomicBool,
}

impl Requests {
    /// Notes that the head of a request has arrived.
    pub(super) fn begin(self: &Arc<Self>) -> RunningRequest {
        self.begun.fetch_add(1, Ordering::Relaxed);
        RunningRequest(self.clone())
    }

    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Returns `true` if the next bytes may take as long as they need.
    fn is_busy(&self) -> bool {
        self.begun() != self.ended.load(Ordering::Relaxed) || self.upgraded.load(Ordering::Relaxed)
    }
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct RunningRequest(Arc<Requests>);

impl RunningRequest {
    /// Keeps the request running until its response has been sent.
    pub(super) fn until_sent(self, response: Body) -> Body {
        Body::new(SentBody { body: response, _running: self })
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

pin_project! {
    struct SentBody {
        #[pin]
        body: Body,
        _running: RunningRequest,
    }
}

impl HttpBody for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The next thing that a client has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The rest of a head, or the first head of a new connection.
    Head,
    /// The first byte of another request.
    Request,
    /// The app, or the client's body, which has its own limit.
    Answer,
}

/// A client's socket. It ends like one that the client has closed when the client is silent for too
/// long, and holds one of the server's places for connections until it is dropped.
pub(super) struct Socket {
    socket: TcpStream,
    requests: Arc<Requests>,
    limits: Limits,
    awaited: Awaited,
    /// The number of requests that had begun when `awaited` was last set.
    begun: u64,
    read_limit: Pin<Box<Sleep>>,
    sending: Patience,
    write_limit: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(super) fn new(
        socket: TcpStream,
        requests: Arc<Requests>,
        limits: Limits,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            socket,
            requests,
            limits,
            awaited: Awaited::Head,
            begun: 0,
            read_limit: Box::pin(sleep_until(Instant::now() + limits.head)),
            sending: Patience::new(limits.body),
            write_limit: None,
            _place: place,
        }
    }

    fn await_next(&mut self, awaited: Awaited, limit: Duration) {
        self.awaited = awaited;
        self.read_limit.as_mut().reset(Instant::now() + limit);
    }

    /// Notes that bytes have arrived.
    fn received(&mut self) {
        if self.awaited == Awaited::Request {
            self.await_next(Awaited::Head, self.limits.head);
        }
    }

    /// Nothing has arrived. Returns `Ready` if that has been so for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.requests.is_busy() || self.sending.is_waiting() {
            self.awaited = Awaited::Answer;
            return Poll::Pending;
        }
        let begun = self.requests.begun();
        if self.awaited == Awaited::Answer || self.begun != begun {
            self.begun = begun;
            self.await_next(Awaited::Request, self.limits.idle);
        }
        self.read_limit.as_mut().poll(cx)
    }

    /// Limits how long the client takes none of a response.
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            let deadline = self.sending.wait(Instant::now());
            let limit = self.write_limit.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if limit.deadline() != deadline {
                limit.as_mut().reset(deadline);
            }
            return limit.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        };
        if self.sending.is_waiting() {
            // The time in which the client is silent counts from now on.
            cx.waker().wake_by_ref();
        }
        self.sending.moved(written.as_ref().map_or(0, |bytes| *bytes), Instant::now);
        Poll::Ready(written)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.socket).poll_read(cx, buffer) else {
            // No byte and no error: the end of what the client sends.
            return this.poll_silence(cx).map(Ok);
        };
        if buffer.filled().len() > before {
            this.received();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, data);
        this.poll_written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, data);
        this.poll_written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
