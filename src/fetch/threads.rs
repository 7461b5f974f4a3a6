//! Plain threads for work that waits: rayon's are for work that computes.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does `work` for each of `items` on at most `threads` threads and gives the results in the items' order.
/// Once `work` breaks, no further item is begun; those have no result.
pub fn on_threads<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> ControlFlow<R, R> + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<_>>());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = match work(item) {
                ControlFlow::Continue(result) => result,
                ControlFlow::Break(result) => {
                    next.store(items.len(), Ordering::Relaxed);
                    result
                }
            };
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = results.get_mut(index) {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(worker);
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_break_ends_the_work() {
        let items: Vec<u32> = (0..100).collect();
        let all = on_threads(&items, 8, |item| ControlFlow::Continue(item * 2));
        assert_eq!(all, items.iter().map(|item| Some(item * 2)).collect::<Vec<_>>());
        let some = on_threads(&items, 1, |item| match item {
            3 => ControlFlow::Break(*item),
            _ => ControlFlow::Continue(*item),
        });
        assert_eq!(some.into_iter().flatten().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(on_threads(&[] as &[u32], 8, |item| ControlFlow::Continue(*item)), []);
    }
}
