//! Sorting, once. Pure.
//!
//! The standard library's sort is 5 KB of program for each type that is sorted; root's program is to be small enough to be
//! looked at.
//!
//! ```
//! let mut names = vec!["node", "dlv", "jdwp"];
//! portcullis::rules::order::by_key(&mut names, |name| name.len());
//! assert_eq!(names, ["dlv", "node", "jdwp"]);
//! ```

use std::cmp::Ordering;

/// Sorts by the order of the items themselves.
pub fn sort<T: Ord>(items: &mut [T]) {
    let places = places(items.len(), &|one, other| items[one].cmp(&items[other]));
    put(items, places);
}

/// Sorts by a key; what has the same key stays in its order.
pub fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let places = places(items.len(), &|one, other| key(&items[one]).cmp(&key(&items[other])));
    put(items, places);
}

/// For each index the place that its item belongs to.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| compare(*one, *other));
    let mut places = vec![0; count];
    for (place, index) in order.into_iter().enumerate() {
        places[index] = place;
    }
    places
}

fn put<T>(items: &mut [T], mut places: Vec<usize>) {
    for index in 0..items.len() {
        while places[index] != index {
            let place = places[index];
            items.swap(index, place);
            places.swap(index, place);
        }
    }
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items in proptest::collection::vec((0u8..8, 0u8..8), 0..40)) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            super::sort(&mut ours);
            theirs.sort();
            assert_eq!(ours, theirs);
            let (mut ours, mut theirs) = (items.clone(), items);
            super::by_key(&mut ours, |item| item.0);
            theirs.sort_by_key(|item| item.0);
            assert_eq!(ours, theirs);
        }
    }
}
