//! What must be put into a program once it is known where it lies and where the system's functions are.
//!
//! A linker of before macOS 12 writes programs of opcodes ([`opcodes`]), a newer one chains the places through
//! themselves ([`chained`]); lld follows the version that the program is built for. Both come to the same list.

mod chained;
mod opcodes;

use crate::macho::{Fixups, Program};

/// One place that must be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix<'a> {
    /// Its address, before the image is slid.
    pub at: u64,
    pub value: Value<'a>,
}

/// What belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// What is there already, as an address in the image: it is to be slid with it.
    Slide,
    /// An address in the image, before that is slid.
    Address(u64),
    /// Where a library has `symbol`, and `addend` bytes further.
    Symbol { symbol: &'a str, addend: i64 },
}

/// The places cannot be found.
#[derive(Debug, PartialEq, Eq)]
pub struct FixupError(pub String);

impl std::fmt::Display for FixupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "its fixups cannot be read: {}", self.0)
    }
}

/// Gives every fix of the program to `apply`. `read` gives the eight bytes at an address of the image as it was
/// mapped: a chain runs through them.
pub fn each<'a>(
    file: &'a [u8],
    program: &Program,
    read: &dyn Fn(u64) -> u64,
    apply: &mut dyn FnMut(Fix<'a>),
) -> Result<(), FixupError> {
    match &program.fixups {
        Fixups::None => Ok(()),
        Fixups::Opcodes { rebase, bind, lazy_bind } => {
            let segments: Vec<u64> = program.segments.iter().map(|segment| segment.address).collect();
            opcodes::rebases(rebase.of(file), &segments, apply)?;
            opcodes::binds(bind.of(file), &segments, opcodes::Done::Ends, apply)?;
            // Lazy ones are bound at once: then a program's missing functions are known before it runs.
            opcodes::binds(lazy_bind.of(file), &segments, opcodes::Done::Separates, apply)
        }
        Fixups::Chained(range) => {
            let base = program.mapped().map(|segment| segment.address).min().unwrap_or_default();
            chained::fixes(range.of(file), base, read, apply)
        }
    }
}
