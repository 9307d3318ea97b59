//! A list that only grows and is read without a lock: callbacks of instruments must not wait.

use std::sync::OnceLock;

/// What was added lives as long as the process.
#[derive(Debug)]
pub(super) struct List<T>(OnceLock<Box<Item<T>>>);

#[derive(Debug)]
struct Item<T> {
    value: T,
    rest: List<T>,
}

impl<T> List<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Adds one at the end, whoever else does the same.
    pub(super) fn add(&'static self, value: T) -> &'static T {
        let mut item = Box::new(Item { value, rest: Self::new() });
        let mut end = self;
        while let Err(back) = end.0.set(item) {
            item = back;
            end = end.0.get().map_or(end, |taken| &taken.rest);
        }
        end.0.get().map(|item| &item.value).expect("it was set")
    }

    pub(super) fn iter(&'static self) -> impl Iterator<Item = &'static T> {
        std::iter::successors(self.first(), |item| item.rest.first()).map(|item| &item.value)
    }

    fn first(&'static self) -> Option<&'static Item<T>> {
        self.0.get().map(|item| &**item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_add_at_once_is_all_there() {
        static LIST: List<usize> = List::new();
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || assert_eq!(*LIST.add(number), number));
            }
        });
        let mut all: Vec<_> = LIST.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
