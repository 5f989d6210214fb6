//! The words of a line, and changes of them that mends share.

/// The words of a line; a text in quotes is one, and so is a brace.
pub(super) type Words = Vec<String>;

pub(super) fn find(words: &[String], wanted: &str) -> Option<usize> {
    words.iter().position(|word| word == wanted)
}

pub(super) fn is_rule(words: &[String]) -> bool {
    let first = words.first().map(String::as_str);
    matches!(first, Some("pass" | "block" | "rdr" | "nat" | "binat" | "anchor" | "no" | "match"))
}

pub(super) fn put<'w>(words: &[String], at: usize, new: impl IntoIterator<Item = &'w str>) -> Words {
    let mut words = words.to_vec();
    words.splice(at..at, new.into_iter().map(str::to_owned));
    words
}

/// The line with its words from `first` to `end` replaced.
pub(super) fn replaced(
    words: &[String],
    first: usize,
    end: usize,
    new: impl IntoIterator<Item = String>,
) -> Words {
    let mut words = words.to_vec();
    words.splice(first..end, new);
    words
}

/// A list in braces.
pub(super) fn in_braces(items: &[String]) -> Words {
    let mut list = vec!["{".to_owned()];
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            list.push(",".to_owned());
        }
        list.push(item.clone());
    }
    list.push("}".to_owned());
    list
}

pub(super) fn is_port(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
