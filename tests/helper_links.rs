//! What runs as root is small: the helper links the C library and nothing graphical, parses no command line of the app's,
//! and holds nothing of the lab.
//!
//! `PORTCULLIS_RELEASED_HELPER` names a helper that was built for release, whose size is then held to [`LARGEST`] too
//! (`scripts/helper.sh`).

use std::path::{Path, PathBuf};

const HELPER: &str = env!("CARGO_BIN_EXE_portcullis-helper");

/// Shared libraries that a root helper may need on Linux; whatever else appears is looked at by a person.
const LIBRARIES: [&str; 6] = ["libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "ld-linux"];

/// Parts of the names of functions and data that the helper has no use for.
const FOREIGN_SYMBOLS: [&str; 6] =
    ["clap_builder", "toml_edit", "libgtk", "appindicator", "tray_icon", "10portcullis3lab"];

/// What the released helper has no use for. A test double that root's program could become would be the worst of it.
const FOREIGN: [&str; 11] = [
    "clap_builder",
    "toml_edit",
    "libgtk",
    "appindicator",
    "tray_icon",
    "lab.toml",
    "osascript-lab",
    "pfctl-lab",
    "helper-lab",
    "--lab",
    "pretended Mac",
];

/// How many bytes of the released helper are loaded, on Linux: its size without symbols, nearly. It was 1.6 MB before the
/// journal, the recovery, snapshots, undo, audit and uninstall came.
/// Closings over every defect of our files, hashes, and the clients that rules of others name made it 2.39 MB; no library came.
/// The job, the bell, ends by this Mac's zone (jiff's, 72 kB) and `clean-up`, which reads pf.conf for itself, made it 2.6 MB.
const LARGEST: u64 = 2_700_000;

#[test]
fn the_helper_links_no_library_but_the_systems_own() {
    for helper in helpers() {
        let other: Vec<String> = libraries(&helper)
            .into_iter()
            .filter(|name| !LIBRARIES.iter().any(|library| name.starts_with(library)))
            .collect();
        assert!(other.is_empty(), "{} links {other:?}", helper.display());
    }
}

#[test]
fn the_command_line_links_no_toolkit() {
    if skipped() {
        return;
    }
    let linked = libraries(Path::new(env!("CARGO_BIN_EXE_portcullis")));
    let toolkit: Vec<_> = linked.iter().filter(|name| name.contains("gtk") || name.contains("gdk")).collect();
    assert!(toolkit.is_empty(), "portcullis links {toolkit:?}");
}

#[test]
fn the_helper_holds_no_command_line_parser_no_toolkit_and_no_lab() {
    if skipped() {
        return;
    }
    let control = found(env!("CARGO_BIN_EXE_portcullis"), &FOREIGN_SYMBOLS, Part::Symbols);
    assert!(control.contains(&"10portcullis3lab"), "{control:?}: is this test reading it right?");
    let symbols = found(HELPER, &FOREIGN_SYMBOLS, Part::Symbols);
    assert!(symbols.is_empty(), "{HELPER} holds {symbols:?}");
    // What is not linked leaves its texts behind in a debug build: GNU ld keeps them.
    let Some(released) = released() else { return };
    let control = found(env!("CARGO_BIN_EXE_helper-lab"), &FOREIGN, Part::Texts);
    assert!(control.contains(&"lab.toml"), "{control:?}: is this test reading it right?");
    let texts = found(&released, &FOREIGN, Part::Texts);
    assert!(texts.is_empty(), "{} mentions {texts:?}", released.display());
}

/// Where a word is looked for.
#[derive(Clone, Copy)]
enum Part {
    Symbols,
    Texts,
}

/// Which of `words` stand there in a program.
fn found<'a>(program: impl AsRef<Path>, words: &[&'a str], part: Part) -> Vec<&'a str> {
    let file = std::fs::read(program).unwrap();
    let elf = Elf::read(&file).expect("an ELF file");
    let texts: Vec<&[u8]> = match part {
        Part::Symbols => elf.symbols().collect(),
        Part::Texts => elf.texts().collect(),
    };
    let stands = |word: &&str| {
        let word = memchr::memmem::Finder::new(*word);
        texts.iter().any(|text| word.find(text).is_some())
    };
    words.iter().copied().filter(stands).collect()
}

#[test]
fn the_released_helper_is_small() {
    let Some(released) = released() else { return };
    let file = std::fs::read(&released).unwrap();
    let size = Elf::read(&file).expect("an ELF file").loaded_size();
    println!("{}: {size} bytes are loaded, at most {LARGEST} are to be", released.display());
    assert!(size <= LARGEST, "{}: {size} bytes are loaded, more than {LARGEST}", released.display());
}

/// The helper of this build, and the released one where it is named; none where they cannot be read.
fn helpers() -> Vec<PathBuf> {
    if skipped() {
        return Vec::new();
    }
    std::iter::once(PathBuf::from(HELPER)).chain(released()).collect()
}

/// The released helper, where one is named.
fn released() -> Option<PathBuf> {
    let released = std::env::var_os("PORTCULLIS_RELEASED_HELPER").map(PathBuf::from);
    if released.is_none() {
        println!("skipped: PORTCULLIS_RELEASED_HELPER names none");
    }
    released.filter(|_| !skipped())
}

/// The shared libraries that a program asks for.
fn libraries(program: &Path) -> Vec<String> {
    let file = std::fs::read(program).unwrap();
    let needed = Elf::read(&file).and_then(|elf| elf.needed()).expect("an ELF file with a dynamic section");
    assert!(
        needed.iter().any(|name| name.starts_with("libc.so")),
        "{needed:?}: is this test reading it right?"
    );
    needed
}

fn skipped() -> bool {
    if !cfg!(target_os = "linux") {
        println!("skipped: reads ELF, and the helper is not one here");
    }
    !cfg!(target_os = "linux")
}

/// A 64-bit little-endian ELF file.
struct Elf<'a> {
    file: &'a [u8],
    segments: Vec<Segment>,
}

/// One program header, the fields that are used here.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    length: u64,
}

impl<'a> Elf<'a> {
    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    /// A section of symbols, and the kind of symbol that names an object file.
    const SYMBOLS: u32 = 2;
    const FILE: u8 = 4;
    /// Entries of the dynamic section.
    const NEEDED: u64 = 1;
    const STRING_TABLE: u64 = 5;

    fn read(file: &'a [u8]) -> Option<Self> {
        file.starts_with(b"\x7fELF\x02\x01").then_some(())?;
        let mut elf = Elf { file, segments: Vec::new() };
        let (first, size, count) = (elf.u64(32)?, u64::from(elf.u16(54)?), u64::from(elf.u16(56)?));
        for at in (0..count).map(|index| first + index * size) {
            let (offset, address, length) = (elf.u64(at + 8)?, elf.u64(at + 16)?, elf.u64(at + 32)?);
            elf.segments.push(Segment { kind: elf.u32(at)?, offset, address, length });
        }
        Some(elf)
    }

    /// The bytes that are mapped when the program runs: no debug information, no symbol names.
    fn loaded(&self) -> impl Iterator<Item = &'a [u8]> {
        let loaded = self.segments.iter().filter(|segment| segment.kind == Self::LOAD);
        loaded.filter_map(|segment| self.bytes(segment.offset, segment.length))
    }

    /// All of it in which a word could stand: what is loaded, and the names of symbols. Debug information is left out, which
    /// names what was compiled and not linked.
    fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.loaded().chain(self.symbols())
    }

    /// The names of functions and data, where they were not stripped. The names of object files are none of them.
    fn symbols(&self) -> impl Iterator<Item = &'a [u8]> {
        let tables = self.sections().filter(|header| self.u32(header + 4) == Some(Self::SYMBOLS));
        tables.flat_map(|table| {
            let section = |header: u64| self.bytes(self.u64(header + 24)?, self.u64(header + 32)?);
            let strings = self.u32(table + 40).and_then(|link| self.sections().nth(link as usize));
            let (symbols, strings) = (section(table), strings.and_then(section));
            let entries =
                symbols.unwrap_or_default().chunks_exact(24).filter(|entry| entry[4] & 15 != Self::FILE);
            entries.filter_map(move |entry| {
                let start = usize::try_from(u32::from_le_bytes(entry[..4].try_into().ok()?)).ok()?;
                strings?.get(start..)?.split(|byte| *byte == 0).next()
            })
        })
    }

    /// Where each section header is.
    fn sections(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.u64(40).unwrap_or(0);
        let (size, count) = (self.u16(58).unwrap_or(0), self.u16(60).unwrap_or(0));
        (0..u64::from(count)).map(move |index| first + index * u64::from(size))
    }

    /// How many bytes of the file are loaded.
    fn loaded_size(&self) -> u64 {
        self.loaded().map(|segment| segment.len() as u64).sum()
    }

    /// The shared libraries it asks for.
    fn needed(&self) -> Option<Vec<String>> {
        let dynamic = self.segments.iter().find(|segment| segment.kind == Self::DYNAMIC)?;
        let entries: Vec<(u64, u64)> = (dynamic.offset..dynamic.offset + dynamic.length)
            .step_by(16)
            .map(|at| Some((self.u64(at)?, self.u64(at + 8)?)))
            .collect::<Option<_>>()?;
        let strings = entries.iter().find(|entry| entry.0 == Self::STRING_TABLE)?.1;
        let holds = |segment: &&Segment| {
            segment.kind == Self::LOAD
                && (segment.address..segment.address + segment.length).contains(&strings)
        };
        let segment = self.segments.iter().find(holds)?;
        let strings = strings - segment.address + segment.offset;
        entries
            .iter()
            .filter(|entry| entry.0 == Self::NEEDED)
            .map(|entry| self.string(strings + entry.1))
            .collect()
    }

    fn bytes(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        self.file.get(usize::try_from(at).ok()?..usize::try_from(at.checked_add(length)?).ok()?)
    }

    fn string(&self, at: u64) -> Option<String> {
        let text = self.file.get(usize::try_from(at).ok()?..)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    fn u64(&self, at: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(at, 8)?.try_into().ok()?))
    }

    fn u32(&self, at: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }

    fn u16(&self, at: u64) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(at, 2)?.try_into().ok()?))
    }
}
