//! Work on many records, spread over the processor's cores: who takes up a long run waits for it.

use std::num::NonZero;
use std::thread;

/// Fewer than that are done before a thread has begun.
const FEW: usize = 2_000;

/// What becomes of each, in their order.
pub fn spread<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    if items.len() < FEW || cores == 1 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let share = items.len().div_ceil(cores);
        let hands: Vec<_> =
            items.chunks(share).map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>())).collect();
        let done = hands.into_iter().map(|hand| hand.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let mut all = Vec::with_capacity(items.len());
        done.for_each(|done| all.extend(done));
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_few_come_in_their_order() {
        for count in [0, 1, FEW - 1, FEW, 3 * FEW + 1] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(spread(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
