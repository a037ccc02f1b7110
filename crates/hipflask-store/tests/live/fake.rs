//! A server that behaves badly.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Listens on a port of its own until the test ends.
pub(crate) struct Fake {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
}

/// The reaction to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Takes it and never says anything.
    Silent,
    /// Hangs up before it has read anything.
    HangsUp,
    /// Says this and goes on.
    Says(&'static [u8]),
    /// Says this and hangs up.
    SaysAndHangsUp(&'static [u8]),
}

impl Fake {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::spawn(move || serve(stream, manner, &count));
            }
        });
        Self { port, requests }
    }

    /// Returns the number of requests.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, manner: Manner, count: &AtomicUsize) {
    let mut buffer = [0; 65536];
    loop {
        if matches!(manner, Manner::HangsUp) || !matches!(stream.read(&mut buffer), Ok(1..)) {
            return;
        }
        count.fetch_add(1, Ordering::SeqCst);
        match manner {
            Manner::Silent | Manner::HangsUp => {}
            Manner::Says(words) => {
                if stream.write_all(words).is_err() {
                    return;
                }
            }
            Manner::SaysAndHangsUp(words) => {
                let _ = stream.write_all(words);
                return;
            }
        }
    }
}
