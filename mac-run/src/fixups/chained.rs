//! LC_DYLD_CHAINED_FIXUPS: each place holds what belongs there and how far the next place is (`mach-o/fixup-chains.h`).

use super::{Fix, FixupError, Value};
use crate::macho::{u16_at, u32_at, u64_at};

/// `DYLD_CHAINED_IMPORT`: name offset, weakness and library in 32 bits.
const IMPORT: u32 = 1;
/// `DYLD_CHAINED_IMPORT_ADDEND`: the same and an addend of 32 bits.
const IMPORT_ADDEND: u32 = 2;
/// `DYLD_CHAINED_PTR_64`: targets are addresses.
const POINTER_64: u16 = 2;
/// `DYLD_CHAINED_PTR_64_OFFSET`: targets are offsets from the image's first byte.
const POINTER_64_OFFSET: u16 = 6;
/// `DYLD_CHAINED_PTR_START_NONE`: a page without a fix.
const NO_FIX: u16 = 0xffff;

/// Walks the chains of every page. `data` is `struct dyld_chained_fixups_header` and what it points to; `base` the
/// address of the image's first byte before it is slid.
pub fn fixes<'a>(
    data: &'a [u8],
    base: u64,
    read: &dyn Fn(u64) -> u64,
    apply: &mut dyn FnMut(Fix<'a>),
) -> Result<(), FixupError> {
    let word = |at: usize| u32_at(data, at).ok_or_else(cut_short);
    let imports = imports(data)?;
    let starts = word(4)? as usize;
    for segment in 0..word(starts)? as usize {
        // `struct dyld_chained_starts_in_image`: an offset for each segment, 0 where it has no fix.
        match word(starts + 4 + 4 * segment)? as usize {
            0 => {}
            offset => {
                let pages = data.get(starts + offset..).ok_or_else(cut_short)?;
                segment_fixes(pages, base, &imports, read, apply)?;
            }
        }
    }
    Ok(())
}

/// Symbol and addend of every import.
fn imports(data: &[u8]) -> Result<Vec<(&str, i64)>, FixupError> {
    let word = |at: usize| u32_at(data, at).ok_or_else(cut_short);
    let (table, names, count, format) =
        (word(8)? as usize, word(12)? as usize, word(16)? as usize, word(20)?);
    let stride = match format {
        IMPORT => 4,
        IMPORT_ADDEND => 8,
        other => return Err(FixupError(format!("imports in format {other}"))),
    };
    (0..count)
        .map(|index| {
            let at = table + stride * index;
            let start = names + (word(at)? >> 9) as usize;
            let addend = if format == IMPORT_ADDEND { i64::from(word(at + 4)? as i32) } else { 0 };
            let name = data
                .get(start..)
                .and_then(|rest| rest.split(|byte| *byte == 0).next())
                .ok_or_else(cut_short)?;
            let name =
                std::str::from_utf8(name).map_err(|_| FixupError("a symbol that is not UTF-8".into()))?;
            Ok((name, addend))
        })
        .collect()
}

/// `struct dyld_chained_starts_in_segment`: the first fix of each page.
fn segment_fixes<'a>(
    pages: &[u8],
    base: u64,
    imports: &[(&'a str, i64)],
    read: &dyn Fn(u64) -> u64,
    apply: &mut dyn FnMut(Fix<'a>),
) -> Result<(), FixupError> {
    let short = |at: usize| u16_at(pages, at).ok_or_else(cut_short);
    let (page_size, format) = (u64::from(short(4)?), short(6)?);
    let segment = base + u64_at(pages, 8).ok_or_else(cut_short)?;
    if format != POINTER_64 && format != POINTER_64_OFFSET {
        return Err(FixupError(format!("pointers in format {format}")));
    }
    for page in 0..short(20)? {
        let first = short(22 + 2 * usize::from(page))?;
        if first == NO_FIX {
            continue;
        }
        let mut at = segment + u64::from(page) * page_size + u64::from(first);
        loop {
            let pointer = read(at);
            apply(Fix { at, value: value(pointer, format, base, imports)? });
            // In steps of four bytes.
            match (pointer >> 51) & 0xfff {
                0 => break,
                next => at += 4 * next,
            }
        }
    }
    Ok(())
}

/// `struct dyld_chained_ptr_64_bind` where the highest bit is set, else `…_rebase`.
fn value<'a>(
    pointer: u64,
    format: u16,
    base: u64,
    imports: &[(&'a str, i64)],
) -> Result<Value<'a>, FixupError> {
    if pointer >> 63 != 0 {
        let ordinal = (pointer & 0xff_ffff) as usize;
        let (symbol, addend) = imports
            .get(ordinal)
            .ok_or_else(|| FixupError(format!("import {ordinal} of {}", imports.len())))?;
        let further = ((pointer >> 24) & 0xff) as i64;
        return Ok(Value::Symbol { symbol, addend: addend + further });
    }
    let target = pointer & 0xf_ffff_ffff;
    let high = ((pointer >> 36) & 0xff) << 56;
    let address = if format == POINTER_64 { target } else { base + target };
    Ok(Value::Address(address | high))
}

fn cut_short() -> FixupError {
    FixupError("the chains are cut short".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// One segment of one page at 0x1_0000_4000 whose first fix is at 0x10; imports `_a` and `_b`.
    fn header(format: u16) -> Vec<u8> {
        let mut data: Vec<u8> = [0u32, 28, 68, 76, 2, IMPORT, 0].map(u32::to_le_bytes).concat();
        data.extend([1u32, 8].map(u32::to_le_bytes).concat());
        data.extend(24u32.to_le_bytes());
        data.extend([0x1000u16, format].map(u16::to_le_bytes).concat());
        data.extend(0x4000u64.to_le_bytes());
        data.extend(0u32.to_le_bytes());
        data.extend([1u16, 0x10].map(u16::to_le_bytes).concat());
        data.resize(68, 0);
        data.extend([1u32 << 9, 4 << 9].map(u32::to_le_bytes).concat());
        data.extend(b"\0_a\0_b\0");
        data
    }

    #[test]
    fn a_chain_mixes_addresses_and_symbols() {
        let memory = BTreeMap::from([
            (0x1_0000_4010u64, 2u64 << 51 | 0x123),
            (0x1_0000_4018, 1 << 63 | 4 << 51 | 5 << 24 | 1),
            (0x1_0000_4028, 0x7f << 36 | 0x456),
        ]);
        let data = header(POINTER_64_OFFSET);
        let mut found = Vec::new();
        fixes(&data, 0x1_0000_0000, &|at| memory[&at], &mut |fix| found.push(fix)).unwrap();
        let expected = [
            Fix { at: 0x1_0000_4010, value: Value::Address(0x1_0000_0123) },
            Fix { at: 0x1_0000_4018, value: Value::Symbol { symbol: "_b", addend: 5 } },
            Fix { at: 0x1_0000_4028, value: Value::Address(0x7f00_0001_0000_0456) },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn other_formats_are_refused() {
        let error = fixes(&header(1), 0, &|_| 0, &mut |_| {}).unwrap_err();
        assert_eq!(error.0, "pointers in format 1");
        for length in 0..header(2).len() - 8 {
            assert!(fixes(&header(2)[..length], 0, &|_| 0, &mut |_| {}).is_err(), "{length}");
        }
    }
}
