//! Work on many records, spread over the processor's cores: who takes up a long run waits for it.

use std::iter::Flatten;
use std::num::NonZero;
use std::thread;
use std::vec::IntoIter;

/// Fewer than that are done before a thread has begun.
const FEW: usize = 2_000;

/// What becomes of each, in their order. All is done when this returns; nothing is gathered in one place once more.
pub fn spread<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Flatten<IntoIter<Vec<R>>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = if items.len() < FEW { items.len() } else { items.len().div_ceil(cores) }.max(1);
    let work = &work;
    let all = |share: &[T]| share.iter().map(work).collect::<Vec<_>>();
    let done: Vec<Vec<R>> = thread::scope(|scope| {
        let mut shares = items.chunks(share);
        let own = shares.next();
        let hands: Vec<_> = shares.map(|share| scope.spawn(move || all(share))).collect();
        let own = own.map(all).into_iter();
        let done = hands.into_iter().map(|hand| hand.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.chain(done).collect()
    });
    done.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_few_come_in_their_order() {
        for count in [0, 1, FEW - 1, FEW, 3 * FEW + 1] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(
                spread(&items, |item| item * 2).collect::<Vec<_>>(),
                items.iter().map(|item| item * 2).collect::<Vec<_>>()
            );
        }
    }
}
