//! LC_DYLD_INFO: small programs that name the places (`mach-o/loader.h`, `REBASE_OPCODE_…` and `BIND_OPCODE_…`).
//! The high half of a byte is the operation, the low half its operand; further operands follow as LEB128 numbers.

use super::{Fix, FixupError, Value};

/// What BIND_OPCODE_DONE means: lazy binds have one after each symbol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Ends,
    Separates,
}

const POINTER: u64 = 8;

/// Runs the program of the places that are slid. `segments` are the addresses of all segments, in their order.
pub fn rebases<'a>(
    code: &'a [u8],
    segments: &[u64],
    apply: &mut dyn FnMut(Fix<'a>),
) -> Result<(), FixupError> {
    let mut code = Code(code);
    let mut at = 0u64;
    while let Some((operation, operand)) = code.next() {
        // How many places, and how many bytes lie between them.
        let (count, skip) = match operation {
            0x0 => return Ok(()),
            0x1 => continue,
            0x2 => {
                at = segment(segments, operand)?.wrapping_add(code.unsigned()?);
                continue;
            }
            0x3 => {
                at = at.wrapping_add(code.unsigned()?);
                continue;
            }
            0x4 => {
                at = at.wrapping_add(u64::from(operand) * POINTER);
                continue;
            }
            0x5 => (u64::from(operand), 0),
            0x6 => (code.unsigned()?, 0),
            0x7 => (1, code.unsigned()?),
            0x8 => (code.unsigned()?, code.unsigned()?),
            other => return Err(FixupError(format!("rebase opcode {other:#x}0"))),
        };
        for _ in 0..count {
            apply(Fix { at, value: Value::Slide });
            at = at.wrapping_add(POINTER).wrapping_add(skip);
        }
    }
    Ok(())
}

/// Runs the program of the places that get a symbol's address.
pub fn binds<'a>(
    code: &'a [u8],
    segments: &[u64],
    done: Done,
    apply: &mut dyn FnMut(Fix<'a>),
) -> Result<(), FixupError> {
    let mut code = Code(code);
    let (mut at, mut addend, mut symbol) = (0u64, 0i64, "");
    while let Some((operation, operand)) = code.next() {
        let (count, skip) = match operation {
            0x0 if done == Done::Ends => return Ok(()),
            // Which library: here there is one.
            0x0 | 0x1 | 0x3 | 0x5 => continue,
            0x2 => {
                code.unsigned()?;
                continue;
            }
            0x4 => {
                symbol = code.text()?;
                continue;
            }
            0x6 => {
                addend = code.signed()?;
                continue;
            }
            0x7 => {
                at = segment(segments, operand)?.wrapping_add(code.unsigned()?);
                continue;
            }
            0x8 => {
                at = at.wrapping_add(code.unsigned()?);
                continue;
            }
            0x9 => (1, 0),
            0xa => (1, code.unsigned()?),
            0xb => (1, u64::from(operand) * POINTER),
            0xc => (code.unsigned()?, code.unsigned()?),
            other => return Err(FixupError(format!("bind opcode {other:#x}0"))),
        };
        for _ in 0..count {
            apply(Fix { at, value: Value::Symbol { symbol, addend } });
            at = at.wrapping_add(POINTER).wrapping_add(skip);
        }
    }
    Ok(())
}

fn segment(segments: &[u64], index: u8) -> Result<u64, FixupError> {
    segments
        .get(usize::from(index))
        .copied()
        .ok_or_else(|| FixupError(format!("segment {index} of {}", segments.len())))
}

/// The bytes that are left to run.
struct Code<'a>(&'a [u8]);

impl<'a> Code<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Operation and operand.
    fn next(&mut self) -> Option<(u8, u8)> {
        self.byte().map(|byte| (byte >> 4, byte & 0xf))
    }

    fn unsigned(&mut self) -> Result<u64, FixupError> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte().ok_or_else(cut_short)?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
    }

    fn signed(&mut self) -> Result<i64, FixupError> {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let byte = self.byte().ok_or_else(cut_short)?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                let sign = if byte & 0x40 != 0 { (-1i64).checked_shl(shift).unwrap_or(0) } else { 0 };
                return Ok(value | sign);
            }
        }
    }

    fn text(&mut self) -> Result<&'a str, FixupError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(cut_short)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        std::str::from_utf8(text).map_err(|_| FixupError("a symbol that is not UTF-8".into()))
    }
}

fn cut_short() -> FixupError {
    FixupError("an opcode is cut short".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENTS: [u64; 3] = [0, 0x1000, 0x2000];

    fn run_rebases(code: &[u8]) -> Vec<u64> {
        let mut places = Vec::new();
        rebases(code, &SEGMENTS, &mut |fix| places.push(fix.at)).unwrap();
        places
    }

    #[test]
    fn rebases_step_and_repeat() {
        // Segment 1 at 0x10; two; over 3 pointers; one and skip 0x80; two with 8 between; done.
        let code = [0x11, 0x21, 0x10, 0x52, 0x43, 0x70, 0x80, 0x01, 0x80, 2, 8, 0x00, 0x51];
        assert_eq!(run_rebases(&code), [0x1010, 0x1018, 0x1038, 0x10c0, 0x10d0]);
        assert_eq!(run_rebases(&[0x22, 0, 0x30, 0x08, 0x60, 3]), [0x2008, 0x2010, 0x2018]);
        assert!(rebases(&[0xf0], &SEGMENTS, &mut |_| {}).is_err());
        assert!(rebases(&[0x23, 0], &SEGMENTS, &mut |_| {}).is_err(), "a segment that is not there");
        assert!(rebases(&[0x21, 0x80], &SEGMENTS, &mut |_| {}).is_err(), "a number cut short");
    }

    #[test]
    fn binds_name_symbols_and_addends() {
        let mut code = vec![0x11, 0x40];
        code.extend(b"_open\0");
        code.extend([0x51, 0x72, 0x08, 0x90, 0x60, 0x7f, 0xa0, 0x10, 0xb2, 0xc0, 2, 8, 0x00]);
        let mut fixes = Vec::new();
        binds(&code, &SEGMENTS, Done::Ends, &mut |fix| fixes.push(fix)).unwrap();
        let symbol = |addend| Value::Symbol { symbol: "_open", addend };
        let expected = [(0x2008, 0), (0x2010, -1), (0x2028, -1), (0x2040, -1), (0x2050, -1)];
        let expected = expected.map(|(at, addend)| Fix { at, value: symbol(addend) });
        assert_eq!(fixes, expected);
    }

    #[test]
    fn lazy_binds_go_on_after_each_symbol() {
        let code = [
            &[0x72, 0x00, 0x11, 0x40][..],
            b"_a\0",
            &[0x90, 0x00, 0x72, 0x08, 0x11, 0x40],
            b"_b\0",
            &[0x90, 0],
        ];
        let mut names = Vec::new();
        let code = code.concat();
        binds(&code, &SEGMENTS, Done::Separates, &mut |fix| {
            if let Value::Symbol { symbol, .. } = fix.value {
                names.push((fix.at, symbol));
            }
        })
        .unwrap();
        assert_eq!(names, [(0x2000, "_a"), (0x2008, "_b")]);
    }
}
