//! Runs many futures concurrently, with a limit.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;

/// Runs the futures, at most `most` of them at a time, and returns their outputs in order.
pub(crate) async fn together<F: Future>(futures: Vec<F>, most: usize) -> Vec<F::Output> {
    let mut waiting = futures.into_iter();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut outputs: Vec<Option<F::Output>> = Vec::new();
    poll_fn(|context| {
        loop {
            while running.len() < most.max(1)
                && let Some(future) = waiting.next()
            {
                running.push((outputs.len(), Box::pin(future)));
                outputs.push(None);
            }
            let before = running.len();
            running.retain_mut(|(at, future)| match future.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(output) => {
                    outputs[*at] = Some(output);
                    false
                }
            });
            if before == 0 {
                return Poll::Ready(());
            }
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn outputs_are_in_order_and_concurrency_is_bounded() {
        let (running, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (running, peak) = (&running, &peak);
        let future = |number: usize| async move {
            peak.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            for _ in 0..=number % 7 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::Relaxed);
            number
        };
        let futures = (0..100).map(future).collect();
        assert_eq!(together(futures, 8).await, (0..100).collect::<Vec<_>>());
        assert_eq!(peak.load(Ordering::Relaxed), 8);
        assert!(together(Vec::<core::future::Ready<()>>::new(), 8).await.is_empty());
    }
}
