//! A list that is nearly always one long.
use std::ops::Deref;
use std::ops::DerefMut;

/// Some values, of which the first needs no memory of its own: there are as many of these as there are allocations, and most
/// have one peer.
#[derive(Clone, Debug)]
pub(super) enum Few<T> {
    /// One value.
    One(T),
    /// None, or more than one. Never longer than it must be.
    Many(Box<[T]>),
}

impl<T> Few<T> {
    /// Adds a value at the end.
    pub(super) fn push(&mut self, value: T) {
        *self = match self.take() {
            Few::Many(values) if values.is_empty() => Few::One(value),
            Few::One(first) => Few::Many(Box::new([first, value])),
            Few::Many(values) => {
                let mut values = values.into_vec();
                values.reserve_exact(1);
                values.push(value);
                Few::Many(values.into_boxed_slice())
            }
        };
    }

    /// Keeps the values that `is_kept` wants, in their order.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(&mut T) -> bool) {
        *self = match self.take() {
            Few::One(mut value) => {
                if is_kept(&mut value) {
                    Few::One(value)
                } else {
                    Few::default()
                }
            }
            Few::Many(values) => {
                let mut values = values.into_vec();
                values.retain_mut(is_kept);
                Few::from(values)
            }
        };
    }

    /// Forgets all values but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            let mut at = 0..;
            self.retain(|_| at.next().is_some_and(|at| at < len));
        }
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::Many(Box::default())
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut values: Vec<T>) -> Self {
        match (values.len(), values.pop()) {
            (1, Some(value)) => Few::One(value),
            (_, last) => {
                values.extend(last);
                Few::Many(values.into_boxed_slice())
            }
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut few = Few::default();
        values.into_iter().for_each(|value| few.push(value));
        few
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::One(value) => std::slice::from_ref(value),
            Few::Many(values) => values,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Few::One(value) => std::slice::from_mut(value),
            Few::Many(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_needs_no_memory_of_its_own() {
        let mut few = Few::default();
        few.push('a');
        assert!(matches!(few, Few::One('a')));
        few.push('b');
        few.retain(|value| *value == 'b');
        assert!(matches!(few, Few::One('b')));
    }

    proptest! {
        #[test]
        fn it_holds_what_a_vector_would(steps in prop::collection::vec((0..3_u8, 0..6_usize), 0..40)) {
            let (mut few, mut vector) = (Few::default(), Vec::new());
            for (step, number) in steps {
                match step {
                    0 => {
                        few.push(number);
                        vector.push(number);
                    }
                    1 => {
                        few.retain(|value| *value != number);
                        vector.retain(|value| *value != number);
                    }
                    _ => {
                        few.truncate(number);
                        vector.truncate(number);
                    }
                }
                prop_assert_eq!(&*few, &*vector);
                few.iter_mut().for_each(|value| *value ^= 1);
                vector.iter_mut().for_each(|value| *value ^= 1);
            }
        }
    }
}
