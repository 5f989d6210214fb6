//! Puts a program into this process's memory: its segments at one slide, every address and symbol in its place.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use crate::fixups::{self, FixupError, Value};
use crate::macho::{self, Program, Protection, Segment};

/// A program in memory.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Where its first byte, the Mach-O header, lies.
    pub base: usize,
    /// How many bytes it takes.
    pub size: usize,
    /// What is added to every address that the file says.
    pub slide: usize,
}

/// The program cannot be put into memory.
#[derive(Debug)]
pub enum ImageError {
    Memory(io::Error),
    Fixups(FixupError),
    /// It has no segments, or a segment that lies outside of the file.
    Form(&'static str),
}

impl std::fmt::Display for ImageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ImageError::Memory(error) => write!(f, "no memory for it: {error}"),
            ImageError::Fixups(error) => error.fmt(f),
            ImageError::Form(problem) => f.write_str(problem),
        }
    }
}

/// The size of a page on x86_64, on macOS and here.
const PAGE: usize = 4096;

impl Image {
    /// Maps `program`, whose file is `source`, and puts in what `resolve` gives for each symbol that it imports.
    pub fn map(
        source: &Source,
        program: &Program,
        resolve: &dyn Fn(&str) -> usize,
    ) -> Result<Self, ImageError> {
        let lowest = program.mapped().map(|segment| segment.address).min();
        let lowest = lowest.ok_or(ImageError::Form("it has no segments"))? as usize;
        let highest = program.mapped().map(|segment| segment.address + segment.size).max();
        let size = (highest.unwrap_or_default() as usize - lowest).next_multiple_of(PAGE);
        let base = reserve(size).map_err(ImageError::Memory)?;
        let image = Image { base, size, slide: base.wrapping_sub(lowest) };
        for segment in program.mapped() {
            image.fill(segment, source)?;
        }
        image.fix(source.part, program, resolve)?;
        for segment in program.mapped() {
            image.protect(segment).map_err(ImageError::Memory)?;
        }
        Ok(image)
    }

    /// Where an address of the file lies in memory.
    pub fn place(&self, address: u64) -> usize {
        self.slide.wrapping_add(address as usize)
    }

    /// `length` bytes of the image, from an address of the file; none where they are not all in it.
    pub fn bytes(&self, address: u64, length: u64) -> &'static [u8] {
        let place = self.place(address);
        let inside = place >= self.base && place.saturating_add(length as usize) <= self.base + self.size;
        if !inside {
            return &[];
        }
        // SAFETY: the range is in the image, which is readable and stays mapped until the process ends.
        unsafe { std::slice::from_raw_parts(place as *const u8, length as usize) }
    }

    /// The bytes that lie `offset` behind the first; zeroes outside of the image.
    pub fn at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let address = (self.base + offset).wrapping_sub(self.slide) as u64;
        self.bytes(address, N as u64).try_into().unwrap_or([0; N])
    }

    /// The number at an address of the file; 0 outside of the image.
    pub fn word(&self, address: u64) -> u64 {
        self.bytes(address, 8).try_into().map_or(0, u64::from_le_bytes)
    }

    /// Writes a number at an address of the file. Nothing happens outside of the image.
    pub fn set_word(&self, address: u64, value: u64) {
        if self.bytes(address, 8).is_empty() {
            return;
        }
        // SAFETY: the eight bytes are in the image; the caller writes before the segment loses its write permission.
        unsafe { (self.place(address) as *mut u64).write_unaligned(value) }
    }

    fn fill(&self, segment: &Segment, source: &Source) -> Result<(), ImageError> {
        let length = segment.file.length;
        if segment.file.of(source.part).len() != length || length as u64 > segment.size {
            return Err(ImageError::Form("a segment lies outside of the file"));
        }
        if length == 0 {
            return Ok(());
        }
        let offset = source.offset() + segment.file.offset;
        let place = self.place(segment.address);
        if !offset.is_multiple_of(PAGE) || !place.is_multiple_of(PAGE) {
            return Err(ImageError::Form("a segment does not begin with a page"));
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: the segment is one of those that the reserved memory was sized for, in whole pages; what stands in the
        // file behind its end is cleared up to the end of the page.
        unsafe {
            let fd = source.file.as_raw_fd();
            if libc::mmap(place as *mut c_void, length, WRITABLE, flags, fd, offset as i64)
                == libc::MAP_FAILED
            {
                return Err(ImageError::Memory(io::Error::last_os_error()));
            }
            let rest = length.next_multiple_of(PAGE) - length;
            std::ptr::write_bytes((place + length) as *mut u8, 0, rest);
        }
        Ok(())
    }

    fn fix(&self, file: &[u8], program: &Program, resolve: &dyn Fn(&str) -> usize) -> Result<(), ImageError> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        fixups::each(file, program, &|at| self.word(at), &mut |fix| {
            let slide = self.slide as u64;
            let value = match fix.value {
                Value::Slide => self.word(fix.at).wrapping_add(slide),
                Value::Address(address) => address.wrapping_add(slide),
                Value::Symbol { symbol, addend } => {
                    let place = *known.entry(symbol).or_insert_with(|| resolve(symbol));
                    (place as u64).wrapping_add_signed(addend)
                }
            };
            self.set_word(fix.at, value);
        })
        .map_err(ImageError::Fixups)
    }

    fn protect(&self, segment: &Segment) -> io::Result<()> {
        let Protection { read, write, execute } = segment.protection;
        let mut protection = libc::PROT_NONE;
        for (wanted, flag) in [(read, libc::PROT_READ), (write, libc::PROT_WRITE), (execute, libc::PROT_EXEC)]
        {
            if wanted {
                protection |= flag;
            }
        }
        let length = (segment.size as usize).next_multiple_of(PAGE);
        // SAFETY: the pages belong to the image; nothing of ours lies in them.
        let result =
            unsafe { libc::mprotect(self.place(segment.address) as *mut c_void, length, protection) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

const WRITABLE: c_int = libc::PROT_READ | libc::PROT_WRITE;

/// A program's file. Its pages are shared by all that run it, but for those that are repaired.
pub struct Source {
    file: File,
    whole: &'static [u8],
    /// What is for this processor.
    pub part: &'static [u8],
}

impl Source {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
        if length == 0 {
            return Ok(Source { file, whole: &[], part: &[] });
        }
        // SAFETY: asks for new memory, which stays mapped; programs are replaced here and not written to.
        let whole = unsafe {
            let fd = file.as_raw_fd();
            let place = libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0);
            if place == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            std::slice::from_raw_parts(place.cast::<u8>(), length)
        };
        let part = macho::x86_64_slice(whole).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Source { file, whole, part })
    }

    /// Where the part begins.
    fn offset(&self) -> usize {
        self.part.as_ptr() as usize - self.whole.as_ptr() as usize
    }
}

/// Fresh zeroed memory that can be written.
fn reserve(size: usize) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: asks for new memory anywhere; nothing that exists is touched.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), size, WRITABLE, flags, -1, 0) };
    if place == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(place as usize) }
}
