//! What runs as root is small: the helper links the C library and nothing graphical, and parses no command line of the app's.

const HELPER: &str = env!("CARGO_BIN_EXE_portcullis-helper");

/// Shared libraries that a root helper may need on Linux; whatever else appears is looked at by a person.
const LIBRARIES: [&str; 6] = ["libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "ld-linux"];

#[test]
fn the_helper_links_no_library_but_the_systems_own() {
    if skipped() {
        return;
    }
    let file = std::fs::read(HELPER).unwrap();
    let needed = Elf::read(&file).and_then(|elf| elf.needed()).expect("an ELF file with a dynamic ruleset");
    assert!(
        needed.iter().any(|name| name.starts_with("libc.so")),
        "{needed:?}: is this test reading it right?"
    );
    let other: Vec<_> =
        needed.iter().filter(|name| !LIBRARIES.iter().any(|library| name.starts_with(library))).collect();
    assert!(other.is_empty(), "{HELPER} links {other:?}");
}

#[test]
fn the_helper_holds_no_command_line_parser_and_no_toolkit() {
    if skipped() {
        return;
    }
    let mentions = |program: &str, word: &str| {
        let file = std::fs::read(program).unwrap();
        let elf = Elf::read(&file).expect("an ELF file");
        elf.loaded().any(|segment| segment.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    assert!(mentions(env!("CARGO_BIN_EXE_portcullis"), "clap_builder"), "is this test reading it right?");
    for word in ["clap_builder", "libgtk", "appindicator", "tray_icon"] {
        assert!(!mentions(HELPER, word), "{HELPER} mentions {word}");
    }
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
