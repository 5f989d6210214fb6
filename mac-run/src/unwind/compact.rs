//! The compact unwind table of a Mac program (Apple's public header `mach-o/compact_unwind_encoding.h`).

use crate::macho::{u16_at, u32_at};

/// A function whose frame has one form throughout; all numbers are offsets from the image's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub start: u32,
    pub end: u32,
    pub form: Form,
    /// The exception table of the function.
    pub exceptions: Option<u32>,
    /// Where the pointer to its personality function lies.
    pub personality: Option<u32>,
}

/// Where the caller's registers are. `saved` has the compact form's own register numbers, from the lowest address up;
/// 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `push rbp; mov rbp, rsp`: registers are saved from `depth` words below rbp upwards.
    Pointer { depth: u8, saved: [u8; 6] },
    /// No frame pointer: the return address ends the stack's `size` bytes, and the registers lie just below it.
    Stack { size: u32, saved: [u8; 6] },
}

const MODE: u32 = 0x0f00_0000;
const MODE_POINTER: u32 = 0x0100_0000;
const MODE_STACK: u32 = 0x0200_0000;
const MODE_STACK_INDIRECT: u32 = 0x0300_0000;
const HAS_EXCEPTIONS: u32 = 0x4000_0000;

/// Every frame that has a compact form; those that DWARF tells are left out. `code` gives the four bytes at an offset of
/// the image: where a function's stack is large, its size stands in its own instruction.
pub fn frames(table: &[u8], code: &dyn Fn(u32) -> u32) -> Vec<Frame> {
    read(table, code).unwrap_or_default()
}

/// A function and the word that tells its form.
struct Entry {
    start: u32,
    encoding: u32,
}

fn read(table: &[u8], code: &dyn Fn(u32) -> u32) -> Option<Vec<Frame>> {
    let word = |at: usize| u32_at(table, at);
    let (common, common_count) = (word(4)? as usize, word(8)? as usize);
    let (personalities, index, index_count) = (word(12)? as usize, word(20)? as usize, word(24)? as usize);
    let mut frames = Vec::new();
    // The last entry of the index only says where the last function ends.
    for place in (0..index_count.saturating_sub(1)).map(|number| index + 12 * number) {
        let (first, page, next) = (word(place)?, word(place + 4)? as usize, word(place + 12)?);
        let (exceptions, exceptions_end) = (word(place + 8)? as usize, word(place + 20)? as usize);
        let entries = page_entries(table, page, first, &|number| match number.checked_sub(common_count) {
            None => word(common + 4 * number),
            Some(own) => word(page + usize::from(u16_at(table, page + 8)?) + 4 * own),
        })?;
        for (number, entry) in entries.iter().enumerate() {
            let end = entries.get(number + 1).map_or(next, |following| following.start);
            let Some(form) = form(entry, code) else { continue };
            let personality = ((entry.encoding >> 28) & 3).checked_sub(1);
            frames.push(Frame {
                start: entry.start,
                end,
                form,
                exceptions: (entry.encoding & HAS_EXCEPTIONS != 0)
                    .then(|| exception_table(table, exceptions..exceptions_end, entry.start))
                    .flatten(),
                personality: personality.and_then(|number| word(personalities + 4 * number as usize)),
            });
        }
    }
    Some(frames)
}

/// The entries of a page of the second level: whole ones, or such that share their encodings.
fn page_entries(
    table: &[u8],
    page: usize,
    first: u32,
    encoding: &dyn Fn(usize) -> Option<u32>,
) -> Option<Vec<Entry>> {
    const REGULAR: u32 = 2;
    const COMPRESSED: u32 = 3;
    let word = |at: usize| u32_at(table, at);
    let (start, count) = (usize::from(u16_at(table, page + 4)?), usize::from(u16_at(table, page + 6)?));
    let kind = word(page)?;
    (0..count)
        .map(|number| match kind {
            REGULAR => {
                let at = page + start + 8 * number;
                Some(Entry { start: word(at)?, encoding: word(at + 4)? })
            }
            COMPRESSED => {
                let entry = word(page + start + 4 * number)?;
                let (offset, number) = (entry & 0xff_ffff, entry >> 24);
                Some(Entry { start: first + offset, encoding: encoding(number as usize)? })
            }
            _ => None,
        })
        .collect()
}

/// The exception table of the function that starts at `start`: pairs of offsets, sorted.
fn exception_table(table: &[u8], range: std::ops::Range<usize>, start: u32) -> Option<u32> {
    let pairs = table.get(range)?.as_chunks::<8>().0;
    let place = pairs.binary_search_by_key(&start, |pair| u32_at(pair, 0).unwrap_or_default()).ok()?;
    u32_at(&pairs[place], 4)
}

/// `None`: DWARF tells it, or the function has no frame to speak of.
fn form(entry: &Entry, code: &dyn Fn(u32) -> u32) -> Option<Form> {
    let encoding = entry.encoding;
    let (middle, count, order) = ((encoding >> 16) & 0xff, (encoding >> 10) & 7, encoding & 0x3ff);
    match encoding & MODE {
        MODE_POINTER => {
            let mut saved = [0; 6];
            for (number, register) in saved.iter_mut().take(5).enumerate() {
                *register = ((encoding >> (3 * number)) & 7) as u8;
            }
            Some(Form::Pointer { depth: middle as u8, saved })
        }
        MODE_STACK => Some(Form::Stack { size: 8 * middle, saved: permutation(count, order)? }),
        MODE_STACK_INDIRECT => {
            // The operand of `sub rsp, N`, and what was pushed before it.
            let size = code(entry.start + middle) + 8 * ((encoding >> 13) & 7);
            Some(Form::Stack { size, saved: permutation(count, order)? })
        }
        _ => None,
    }
}

/// Which registers were pushed, in which order: `count` of six, as a number in a mixed base, each digit the register's
/// place among those that are left.
fn permutation(count: u32, mut order: u32) -> Option<[u8; 6]> {
    if count > 6 {
        return None;
    }
    let mut left: Vec<u8> = (1..=6).collect();
    let mut saved = [0; 6];
    for place in 0..count {
        // How many orders the places behind this one allow; six registers leave no choice for the last.
        let behind: u32 = (place + 1..count).map(|place| 6 - place).product();
        let digit = (order / behind) as usize;
        order %= behind;
        if digit >= left.len() {
            return None;
        }
        saved[place as usize] = left.remove(digit);
    }
    Some(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_code(_: u32) -> u32 {
        unreachable!()
    }

    fn form_of(encoding: u32) -> Option<Form> {
        form(&Entry { start: 0x100, encoding }, &no_code)
    }

    #[test]
    fn frames_with_a_pointer() {
        // rbx, r14 and r15 saved, as clang writes it for a common function.
        let expected = Form::Pointer { depth: 3, saved: [1, 4, 5, 0, 0, 0] };
        assert_eq!(form_of(0x0103_0161), Some(expected));
        assert_eq!(form_of(0x0100_0000), Some(Form::Pointer { depth: 0, saved: [0; 6] }));
        assert_eq!(form_of(0x0400_1234), None, "DWARF tells it");
        assert_eq!(form_of(0), None);
    }

    #[test]
    fn frames_without_a_pointer() {
        // One register, the first of all: `push rbx`.
        assert_eq!(form_of(0x0202_0400), Some(Form::Stack { size: 16, saved: [1, 0, 0, 0, 0, 0] }));
        // All six in their order, and in the reverse.
        assert_eq!(permutation(6, 0), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(permutation(6, 719), Some([6, 5, 4, 3, 2, 1]));
        assert_eq!(permutation(2, 5 * 5 + 4), Some([6, 5, 0, 0, 0, 0]));
        assert_eq!(permutation(2, 30), None);
        let indirect = Entry { start: 0x100, encoding: 0x0304_2400 };
        let code = |at| if at == 0x104 { 0x1000 } else { 0 };
        assert_eq!(form(&indirect, &code), Some(Form::Stack { size: 0x1008, saved: [1, 0, 0, 0, 0, 0] }));
    }

    #[test]
    fn pages_of_both_kinds() {
        let mut table: Vec<u8> = [1u32, 28, 1, 32, 1, 36, 3].map(u32::to_le_bytes).concat();
        table.extend([0x0100_0000u32, 0x9000].map(u32::to_le_bytes).concat());
        // The index: two pages and the end; one exception table in the first.
        table.extend([0x1000u32, 80, 72, 0x2000, 108, 80, 0x3000, 0, 80].map(u32::to_le_bytes).concat());
        table.extend([0x1000u32, 0x8000].map(u32::to_le_bytes).concat());
        // A regular page of two functions, the second told by DWARF.
        table.extend([2u32, 2 << 16 | 8].map(u32::to_le_bytes).concat());
        table.extend([0x1000u32, 0x5100_0000, 0x1100, 0x0400_0000].map(u32::to_le_bytes).concat());
        table.extend([0u8; 4]);
        // A compressed page: one common form, one of its own.
        table.extend([3u32, 2 << 16 | 12, 1 << 16 | 20].map(u32::to_le_bytes).concat());
        table.extend([0x0000_0000u32, 0x0100_0010, 0x0202_0400].map(u32::to_le_bytes).concat());
        let frames = frames(&table, &no_code);
        let ranges: Vec<(u32, u32)> = frames.iter().map(|frame| (frame.start, frame.end)).collect();
        assert_eq!(ranges, [(0x1000, 0x1100), (0x2000, 0x2010), (0x2010, 0x3000)]);
        assert_eq!((frames[0].exceptions, frames[0].personality), (Some(0x8000), Some(0x9000)));
        assert_eq!((frames[1].exceptions, frames[1].personality), (None, None));
        assert_eq!(frames[2].form, Form::Stack { size: 16, saved: [1, 0, 0, 0, 0, 0] });
    }
}
