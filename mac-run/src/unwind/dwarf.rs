//! Call frame information as libgcc reads it: a list of entries, each either common to many functions (CIE) or of one
//! (FDE). The form is `.eh_frame` of the Linux Standard Base, section 10.6; all pointers are written as absolute ones.

use super::compact::{Form, Frame};
use crate::macho::{u32_at, u64_at};

/// The list so far.
#[derive(Default)]
pub struct Table {
    bytes: Vec<u8>,
    /// The entry in front of compact frames that have this personality function.
    compact_common: Vec<(usize, usize)>,
}

// DWARF's numbers of x86_64's registers (System V ABI, figure 3.36).
const RBX: u8 = 3;
const RBP: u8 = 6;
const RSP: u8 = 7;
const R12: u8 = 12;
const R13: u8 = 13;
const R14: u8 = 14;
const R15: u8 = 15;
const RETURN_ADDRESS: u8 = 16;

const ABSOLUTE: u8 = 0x00;
const RELATIVE: u8 = 0x10;
const INDIRECT: u8 = 0x80;

const DW_CFA_DEF_CFA: u8 = 0x0c;
const DW_CFA_OFFSET: u8 = 0x80;

impl Table {
    /// Adds a frame of an image at `base`. `pointer` gives the pointer at an offset of the image.
    pub fn add_compact(&mut self, frame: &Frame, base: usize, pointer: &dyn Fn(u32) -> usize) {
        let personality = frame.personality.map_or(0, pointer);
        let known = self.compact_common.iter().find(|(known, _)| *known == personality);
        let common = match known {
            Some((_, place)) => *place,
            None => {
                let place = self.add_common(personality, &[]);
                self.compact_common.push((personality, place));
                place
            }
        };
        let exceptions = frame.exceptions.map_or(0, |offset| base + offset as usize);
        let length = (frame.end - frame.start) as usize;
        self.add_function(common, base + frame.start as usize, length, exceptions, &instructions(frame.form));
    }

    /// Adds the entries of an `__eh_frame` that lies at `place` in memory. `follow` reads a pointer of the image. Entries
    /// of a form that no compiler writes for x86_64 are left out.
    pub fn add_dwarf(&mut self, section: &[u8], place: usize, follow: &dyn Fn(usize) -> usize) {
        let mut commons: Vec<(usize, Common)> = Vec::new();
        let mut at = 0;
        while let Some(length) = u32_at(section, at).filter(|length| *length != 0) {
            let end = at + 4 + length as usize;
            let Some(entry) = section.get(at + 4..end) else { return };
            let back = u32_at(entry, 0).unwrap_or_default() as usize;
            if back == 0 {
                if let Some(read) = Common::read(entry, place + at + 4, follow) {
                    let placed = self.add_common(read.personality, &read.instructions);
                    commons.push((at, Common { placed, ..read }));
                }
            } else if let Some((_, common)) =
                commons.iter().rev().find(|(start, _)| Some(*start) == (at + 4).checked_sub(back))
            {
                let _ = self.add_kept(common, entry, place + at + 4);
            }
            at = end;
        }
    }

    /// The finished list.
    pub fn close(mut self) -> Vec<u8> {
        self.bytes.extend([0; 4]);
        self.bytes
    }

    /// An FDE of the program: `entry` begins behind its length, at `place` in memory.
    fn add_kept(&mut self, common: &Common, entry: &[u8], place: usize) -> Option<()> {
        let start = pointer(entry, 4, common.pointers, place)?;
        let length = u64_at(entry, 12)? as usize;
        let mut rest = Bytes { bytes: entry, at: 20 };
        let augmentation = rest.number()? as usize;
        let exceptions = match common.exceptions {
            Some(encoding) if augmentation >= 8 => pointer(entry, rest.at, encoding, place)?,
            _ => 0,
        };
        let code = entry.get(rest.at + augmentation..)?;
        self.add_function(common.placed, start, length, exceptions, code);
        Some(())
    }

    fn add_common(&mut self, personality: usize, initial: &[u8]) -> usize {
        let mut body = vec![0, 0, 0, 0, 1];
        body.extend(b"zPLR\0");
        // Code in steps of 1, data in steps of -8.
        body.extend([1, 0x78, RETURN_ADDRESS, 11, ABSOLUTE]);
        body.extend(personality.to_le_bytes());
        body.extend([ABSOLUTE, ABSOLUTE]);
        body.extend(initial);
        self.add(body)
    }

    fn add_function(&mut self, common: usize, start: usize, length: usize, exceptions: usize, code: &[u8]) {
        let back = self.bytes.len() + 4 - common;
        let mut body = (back as u32).to_le_bytes().to_vec();
        body.extend([start, length].map(usize::to_le_bytes).concat());
        body.push(8);
        body.extend(exceptions.to_le_bytes());
        body.extend(code);
        self.add(body);
    }

    /// Adds an entry, filled up with DW_CFA_nop; gives its place.
    fn add(&mut self, mut body: Vec<u8>) -> usize {
        body.resize((body.len() + 4).next_multiple_of(8) - 4, 0);
        let place = self.bytes.len();
        self.bytes.extend((body.len() as u32).to_le_bytes());
        self.bytes.extend(body);
        place
    }
}

/// What a CIE says.
struct Common {
    /// Where it was added to the table.
    placed: usize,
    personality: usize,
    /// How exception tables are written, where there are any.
    exceptions: Option<u8>,
    /// How addresses of functions are written.
    pointers: u8,
    instructions: Vec<u8>,
}

impl Common {
    fn read(entry: &[u8], place: usize, follow: &dyn Fn(usize) -> usize) -> Option<Self> {
        let letters = entry.get(5..)?.split(|byte| *byte == 0).next()?;
        let mut rest = Bytes { bytes: entry, at: 5 + letters.len() + 1 };
        let (code_step, data_step, return_address) = (rest.number()?, rest.byte()?, rest.byte()?);
        if code_step != 1 || data_step != 0x78 || return_address != RETURN_ADDRESS {
            return None;
        }
        let mut common = Common {
            placed: 0,
            personality: 0,
            exceptions: None,
            pointers: ABSOLUTE,
            instructions: Vec::new(),
        };
        let mut body = rest.at;
        if letters.first() == Some(&b'z') {
            let length = rest.number()? as usize;
            body = rest.at + length;
            for letter in &letters[1..] {
                match letter {
                    b'P' => {
                        let encoding = rest.byte()?;
                        let value = pointer(entry, rest.at, encoding & !INDIRECT, place)?;
                        common.personality = if encoding & INDIRECT != 0 { follow(value) } else { value };
                        rest.at += width(encoding)?;
                    }
                    b'L' => common.exceptions = Some(rest.byte()?),
                    b'R' => common.pointers = rest.byte()?,
                    _ => return None,
                }
            }
        }
        common.instructions = entry.get(body..)?.to_vec();
        Some(common)
    }
}

/// How many bytes a pointer takes: `DW_EH_PE_absptr`, `…udata8`, `…sdata8`, or `…sdata4`.
fn width(encoding: u8) -> Option<usize> {
    match encoding & 0x0f {
        0x00 | 0x04 | 0x0c => Some(8),
        0x0b => Some(4),
        _ => None,
    }
}

/// The pointer at `at`, absolute; 0 stays 0. `place` is where the bytes lie in memory.
fn pointer(bytes: &[u8], at: usize, encoding: u8, place: usize) -> Option<usize> {
    let value = match width(encoding)? {
        4 => u32_at(bytes, at)? as i32 as usize,
        _ => u64_at(bytes, at)? as usize,
    };
    match encoding & 0x70 {
        _ if value == 0 => Some(0),
        ABSOLUTE => Some(value),
        RELATIVE => Some(value.wrapping_add(place + at)),
        _ => None,
    }
}

/// Instructions for a compact frame: right at every call, which is where a panic comes from.
fn instructions(form: Form) -> Vec<u8> {
    let mut code = Vec::new();
    // Words below the caller's stack pointer; the return address is the first.
    let saved_at = |register: u8, words: u32, code: &mut Vec<u8>| {
        code.push(DW_CFA_OFFSET | register);
        unsigned(words, code);
    };
    match form {
        Form::Pointer { depth, saved } => {
            code.extend([DW_CFA_DEF_CFA, RBP, 16]);
            saved_at(RETURN_ADDRESS, 1, &mut code);
            saved_at(RBP, 2, &mut code);
            for (number, register) in saved.into_iter().enumerate() {
                if let Some(register) = dwarf_register(register) {
                    saved_at(register, 2 + u32::from(depth) - number as u32, &mut code);
                }
            }
        }
        Form::Stack { size, saved } => {
            code.extend([DW_CFA_DEF_CFA, RSP]);
            unsigned(size, &mut code);
            saved_at(RETURN_ADDRESS, 1, &mut code);
            let count = saved.iter().filter(|register| **register != 0).count() as u32;
            for (number, register) in saved.into_iter().enumerate() {
                if let Some(register) = dwarf_register(register) {
                    saved_at(register, 1 + count - number as u32, &mut code);
                }
            }
        }
    }
    code
}

fn dwarf_register(compact: u8) -> Option<u8> {
    [None, Some(RBX), Some(R12), Some(R13), Some(R14), Some(R15), Some(RBP)]
        .get(usize::from(compact))
        .copied()?
}

/// A number as ULEB128.
fn unsigned(mut number: u32, bytes: &mut Vec<u8>) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// A ULEB128 number.
    fn number(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_frame_says_where_the_registers_are() {
        let pointer = instructions(Form::Pointer { depth: 3, saved: [1, 4, 5, 0, 0, 0] });
        assert_eq!(pointer, [0x0c, 6, 16, 0x90, 1, 0x86, 2, 0x83, 5, 0x8e, 4, 0x8f, 3]);
        let stack = instructions(Form::Stack { size: 0x100, saved: [1, 6, 0, 0, 0, 0] });
        assert_eq!(stack, [0x0c, 7, 0x80, 0x02, 0x90, 1, 0x83, 3, 0x86, 2]);
    }

    #[test]
    fn what_the_program_keeps_becomes_absolute() {
        let mut section = vec![0x1c, 0, 0, 0, 0, 0, 0, 0, 1];
        section.extend(b"zPLR\0");
        section.extend([1, 0x78, 16, 7, 0x9b, 0x00, 0x01, 0, 0, 0x10, 0x10, 0x0c, 7, 8, 0x90, 1]);
        section.resize(32, 0);
        section.extend(36u32.to_le_bytes());
        section.extend(36u32.to_le_bytes());
        section.extend([0x1000u64, 0x20].map(u64::to_le_bytes).concat());
        section.push(8);
        section.extend(0x500u64.to_le_bytes());
        section.extend([0x41, 0x0e, 0x10, 0]);
        section.resize(72, 0);
        let mut table = Table::default();
        table.add_dwarf(&section, 0x10_0000, &|place| {
            assert_eq!(place, 0x10_0000 + 0x13 + 0x100);
            0xabcd
        });
        let list = table.close();
        let text = |at: usize| u64_at(&list, at).unwrap();
        assert_eq!(text(19), 0xabcd, "the personality function");
        let function = 4 + u32_at(&list, 0).unwrap() as usize;
        assert_eq!(u32_at(&list, function + 4).unwrap() as usize, function + 4);
        assert_eq!(text(function + 8), 0x10_0000 + 40 + 0x1000);
        assert_eq!(text(function + 16), 0x20);
        assert_eq!(text(function + 25), 0x10_0000 + 57 + 0x500);
        assert_eq!(list[function + 33..function + 36], [0x41, 0x0e, 0x10]);
        assert_eq!(list[list.len() - 4..], [0; 4]);
    }
}
