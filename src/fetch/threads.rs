//! Plain threads for work that waits: rayon's are for work that computes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` for each of `items` on at most `threads` threads and gives the results in the items' order.
/// Once `work` gives none, no further item is begun, and theirs are none as well.
pub fn on_threads<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Option<R> + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(items.iter().map(|_| None).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = work(item);
                    if result.is_none() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if let Some(place) = results.get_mut(index) {
                        *place = result;
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_none_ends_the_work() {
        let items: Vec<u32> = (0..100).collect();
        let all = on_threads(&items, 8, |item| Some(item * 2));
        assert_eq!(all, items.iter().map(|item| Some(item * 2)).collect::<Vec<_>>());
        let some = on_threads(&items, 1, |item| (*item < 3).then_some(*item));
        assert_eq!(some.iter().flatten().count(), 3);
        assert_eq!(on_threads(&[] as &[u32], 8, |item| Some(*item)), []);
    }
}
