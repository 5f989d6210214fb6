//! Reads a Mach-O program: where its parts go in memory, where it begins, and what must be repaired in it.
//!
//! The form is that of Apple's public headers `mach-o/loader.h` and `mach-o/nlist.h` (cctools, xnu
//! EXTERNAL_HEADERS/mach-o). All numbers are little-endian. Nothing here touches the system.

use std::fmt;

/// Magic number of a file for one 64-bit processor.
const MH_MAGIC_64: u32 = 0xfeed_facf;
/// Magic number of a file for several processors, big-endian.
const FAT_MAGIC: u32 = 0xcafe_babe;
/// `CPU_TYPE_X86_64`.
const X86_64: u32 = 0x0100_0007;
/// `MH_EXECUTE`.
const EXECUTABLE: u32 = 2;

const LC_SEGMENT_64: u32 = 0x19;
const LC_LOAD_DYLIB: u32 = 0xc;
const LC_DYLD_INFO: u32 = 0x22;
const LC_DYLD_INFO_ONLY: u32 = 0x8000_0022;
const LC_MAIN: u32 = 0x8000_0028;
const LC_DYLD_CHAINED_FIXUPS: u32 = 0x8000_0034;

/// A program, read but not yet in memory. Ranges are of the file's bytes.
#[derive(Debug, Default)]
pub struct Program {
    pub segments: Vec<Segment>,
    pub sections: Vec<Section>,
    /// The libraries that it names, such as `/usr/lib/libSystem.B.dylib`.
    pub libraries: Vec<String>,
    /// How far behind the first byte of the image `main` is.
    pub entry: Option<u64>,
    pub fixups: Fixups,
}

/// A part of the file and where it goes.
#[derive(Debug)]
pub struct Segment {
    pub name: String,
    /// Its address, before the image is slid.
    pub address: u64,
    /// Its length in memory; what the file does not fill is zero.
    pub size: u64,
    pub file: Range,
    pub protection: Protection,
}

/// What may be done with a segment once the program runs (`VM_PROT_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

/// A part of a segment.
#[derive(Debug)]
pub struct Section {
    pub segment: String,
    pub name: String,
    pub address: u64,
    pub size: u64,
    pub kind: SectionKind,
}

/// The kinds (`S_…`) that a loader must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Pointers to functions that run before `main`.
    Initialisers,
    /// Offsets of such functions from the image's first byte.
    InitialiserOffsets,
    /// What each thread's variables begin with.
    ThreadLocalRegular,
    /// Each thread's variables that begin as zero.
    ThreadLocalZeroFill,
    /// Descriptors of these variables.
    ThreadLocalVariables,
    Other,
}

/// Where addresses must be put in.
#[derive(Debug, Default)]
pub enum Fixups {
    #[default]
    None,
    /// LC_DYLD_INFO: programs of opcodes.
    Opcodes { rebase: Range, bind: Range, lazy_bind: Range },
    /// LC_DYLD_CHAINED_FIXUPS: lists through the pointers themselves.
    Chained(Range),
}

/// Bytes of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub offset: usize,
    pub length: usize,
}

impl Range {
    /// The bytes; none where the file is shorter.
    pub fn of(self, file: &[u8]) -> &[u8] {
        let end = self.offset.saturating_add(self.length);
        file.get(self.offset..end).unwrap_or_default()
    }
}

/// Why a file is no program that can be run.
#[derive(Debug, PartialEq, Eq)]
pub enum MachOError {
    /// Something else altogether.
    NotMachO,
    /// A Mach-O file without x86_64 code.
    OtherProcessor,
    /// A library or an object file.
    NotExecutable,
    /// It ends before what its header says.
    Truncated,
}

impl fmt::Display for MachOError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MachOError::NotMachO => "not a Mach-O file",
            MachOError::OtherProcessor => "a Mach-O file without x86_64 code",
            MachOError::NotExecutable => "a Mach-O file that is not a program",
            MachOError::Truncated => "a Mach-O file that is cut short",
        })
    }
}

/// Whether a file that begins with these bytes is a Mach-O file, for whatever processor.
pub fn is_macho(start: &[u8]) -> bool {
    let little = start.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let big = little.map(u32::swap_bytes);
    little == Some(MH_MAGIC_64) || big == Some(FAT_MAGIC)
}

/// The x86_64 part of a file: all of it, or one of the parts of a universal file.
pub fn x86_64_slice(file: &[u8]) -> Result<&[u8], MachOError> {
    let first = u32_at(file, 0).ok_or(MachOError::NotMachO)?;
    if first == MH_MAGIC_64 {
        return Ok(file);
    }
    if first.swap_bytes() != FAT_MAGIC {
        return Err(MachOError::NotMachO);
    }
    let big = |at: usize| u32_at(file, at).map(u32::swap_bytes).ok_or(MachOError::Truncated);
    for index in 0..big(4)? as usize {
        // `struct fat_arch`: processor, its variant, offset, size, alignment.
        let at = 8 + 20 * index;
        if big(at)? == X86_64 {
            let (offset, size) = (big(at + 8)? as usize, big(at + 12)? as usize);
            return file.get(offset..offset + size).ok_or(MachOError::Truncated);
        }
    }
    Err(MachOError::OtherProcessor)
}

/// Reads the header and the load commands of an x86_64 program.
pub fn parse(file: &[u8]) -> Result<Program, MachOError> {
    let word = |at: usize| u32_at(file, at).ok_or(MachOError::Truncated);
    if u32_at(file, 0) != Some(MH_MAGIC_64) {
        return Err(MachOError::NotMachO);
    }
    if word(4)? != X86_64 {
        return Err(MachOError::OtherProcessor);
    }
    if word(12)? != EXECUTABLE {
        return Err(MachOError::NotExecutable);
    }
    let mut program = Program::default();
    let mut at = 32;
    for _ in 0..word(16)? {
        let size = word(at + 4)? as usize;
        let command = file.get(at..at + size).filter(|_| size >= 8).ok_or(MachOError::Truncated)?;
        program.read_command(word(at)?, command).ok_or(MachOError::Truncated)?;
        at += size;
    }
    Ok(program)
}

impl Program {
    /// `None`: the command is shorter than its kind.
    fn read_command(&mut self, kind: u32, command: &[u8]) -> Option<()> {
        let range = |at: usize| {
            let (offset, length) = (u32_at(command, at)? as usize, u32_at(command, at + 4)? as usize);
            Some(Range { offset, length })
        };
        match kind {
            LC_SEGMENT_64 => self.read_segment(command)?,
            LC_LOAD_DYLIB => {
                let name = command.get(u32_at(command, 8)? as usize..)?;
                self.libraries.push(fixed_text(name));
            }
            LC_MAIN => self.entry = Some(u64_at(command, 8)?),
            LC_DYLD_INFO | LC_DYLD_INFO_ONLY => {
                self.fixups = Fixups::Opcodes { rebase: range(8)?, bind: range(16)?, lazy_bind: range(32)? };
            }
            LC_DYLD_CHAINED_FIXUPS => self.fixups = Fixups::Chained(range(8)?),
            _ => {}
        }
        Some(())
    }

    /// `struct segment_command_64`, with a `struct section_64` for each section behind it.
    fn read_segment(&mut self, command: &[u8]) -> Option<()> {
        let protection = u32_at(command, 60)?;
        self.segments.push(Segment {
            name: fixed_text(command.get(8..24)?),
            address: u64_at(command, 24)?,
            size: u64_at(command, 32)?,
            file: Range { offset: u64_at(command, 40)? as usize, length: u64_at(command, 48)? as usize },
            protection: Protection {
                read: protection & 1 != 0,
                write: protection & 2 != 0,
                execute: protection & 4 != 0,
            },
        });
        for index in 0..u32_at(command, 64)? as usize {
            let section = command.get(72 + 80 * index..)?;
            self.sections.push(Section {
                name: fixed_text(section.get(..16)?),
                segment: fixed_text(section.get(16..32)?),
                address: u64_at(section, 32)?,
                size: u64_at(section, 40)?,
                kind: section_kind(u32_at(section, 64)?),
            });
        }
        Some(())
    }

    /// The segments that have room in memory; `__PAGEZERO` only keeps addresses free.
    pub fn mapped(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.name != "__PAGEZERO" && segment.size > 0)
    }

    /// The section of this name in this segment.
    pub fn section(&self, segment: &str, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.segment == segment && section.name == name)
    }
}

fn section_kind(flags: u32) -> SectionKind {
    match flags & 0xff {
        0x9 => SectionKind::Initialisers,
        0x16 => SectionKind::InitialiserOffsets,
        0x11 => SectionKind::ThreadLocalRegular,
        0x12 => SectionKind::ThreadLocalZeroFill,
        0x13 => SectionKind::ThreadLocalVariables,
        _ => SectionKind::Other,
    }
}

/// Text that ends at a NUL or at the end of its field.
fn fixed_text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        let mut field = text.as_bytes().to_vec();
        field.resize(16, 0);
        field
    }

    /// A program of one segment with one section, and an entry point.
    fn program() -> Vec<u8> {
        let mut file = words(&[MH_MAGIC_64, X86_64, 3, EXECUTABLE, 2, 152 + 24, 0, 0]);
        file.extend(words(&[LC_SEGMENT_64, 152]));
        file.extend(text("__DATA"));
        file.extend([0x1_0000_1000u64, 0x2000, 0x1000, 0x800].map(u64::to_le_bytes).concat());
        file.extend(words(&[3, 3, 1, 0]));
        file.extend([text("__thread_vars"), text("__DATA")].concat());
        file.extend([0x1_0000_1100u64, 24].map(u64::to_le_bytes).concat());
        file.extend(words(&[0, 0, 0, 0, 0x13, 0, 0, 0]));
        file.extend(words(&[LC_MAIN, 24, 0x700, 0, 0, 0]));
        file
    }

    #[test]
    fn reads_segments_sections_and_the_entry() {
        let program = parse(&program()).unwrap();
        assert_eq!(program.entry, Some(0x700));
        let [segment] = &program.segments[..] else { panic!("{program:?}") };
        assert_eq!((segment.name.as_str(), segment.address, segment.size), ("__DATA", 0x1_0000_1000, 0x2000));
        assert_eq!(segment.file, Range { offset: 0x1000, length: 0x800 });
        assert_eq!(segment.protection, Protection { read: true, write: true, execute: false });
        let section = program.section("__DATA", "__thread_vars").unwrap();
        assert_eq!((section.kind, section.size), (SectionKind::ThreadLocalVariables, 24));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let whole = program();
        assert_eq!(parse(b"#!/bin/sh\n").unwrap_err(), MachOError::NotMachO);
        assert_eq!(x86_64_slice(b"").unwrap_err(), MachOError::NotMachO);
        let mut arm = whole.clone();
        arm[4] = 0x0c;
        assert_eq!(parse(&arm).unwrap_err(), MachOError::OtherProcessor);
        let mut library = whole.clone();
        library[12] = 6;
        assert_eq!(parse(&library).unwrap_err(), MachOError::NotExecutable);
        for length in 4..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn of_a_universal_file_the_part_for_this_processor_is_taken() {
        let big = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let mut file = big(&[FAT_MAGIC, 2, 0x0100_000c, 0, 48, 4, 0, X86_64, 3, 52, 3, 0]);
        file.extend(*b"arm.x86");
        assert!(is_macho(&file) && is_macho(&program()) && !is_macho(b"\x7fELF"));
        assert_eq!(x86_64_slice(&file), Ok(&b"x86"[..]));
    }
}
