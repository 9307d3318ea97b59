//! Series of one instrument that are measured again and again.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A few series of an instrument, bound once each and found by what tells them apart. Measuring by labels resolves them
/// every time, which costs an allocation, a copy of each label and a hash of all of them.
pub struct Series<Key, Bound>(RwLock<Vec<(Key, Bound)>>);

impl<Key, Bound> Series<Key, Bound> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }
}

impl<Key, Bound: Clone> Series<Key, Bound> {
    /// The one of this key; the first who asks binds it.
    pub fn get<Asked>(&self, key: Asked, bind: impl FnOnce() -> Bound) -> Bound
    where
        Key: PartialEq<Asked>,
        Asked: Into<Key>,
    {
        let of = |series: &[(Key, Bound)]| series.iter().find(|one| one.0 == key).map(|one| one.1.clone());
        if let Some(bound) = of(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return bound;
        }
        let mut series = self.0.write().unwrap_or_else(PoisonError::into_inner);
        of(&series).unwrap_or_else(|| {
            let bound = bind();
            series.push((key.into(), bound.clone()));
            bound
        })
    }
}

impl<Key, Bound> Default for Series<Key, Bound> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Key, Bound> fmt::Debug for Series<Key, Bound> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Series").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_bound_once_whoever_asks_first() {
        let (series, bound) = (Series::<&str, _>::new(), std::sync::atomic::AtomicUsize::new(0));
        let one = |key: &'static str| {
            series.get(key, || {
                bound.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                key.to_owned()
            })
        };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let key = if number % 2 == 0 { "GET" } else { "SET" };
                scope.spawn(move || assert_eq!(one(key), key));
            }
        });
        assert_eq!(bound.into_inner(), 2);
    }
}
