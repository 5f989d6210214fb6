//! Text of others in a row of the menu.

/// A program names itself, so its name may be long, or hold what would make a row read otherwise. It is cut after `most`
/// characters, without a mark: `…` in a menu means that a click asks something.
pub(super) fn one_line(text: &str, most: usize) -> String {
    text.chars().take(most).map(plain).collect::<String>().trim_end().to_owned()
}

/// The letter itself, or `?` for one that moves others or takes no room.
pub(super) fn plain(c: char) -> char {
    if c.is_control() || is_invisible(c) { '?' } else { c }
}

/// Marks that turn the direction of writing or take no room (Unicode Standard, 23.2 and 23.3).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
