//! What runs as root is small: the helper links the C library and nothing graphical, and parses no command line of the app's.

use std::path::Path;

const HELPER: &str = env!("CARGO_BIN_EXE_portcullis-helper");

/// Shared libraries that a root helper may need on Linux; whatever else appears is looked at by a person.
const LIBRARIES: [&str; 6] = ["libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "ld-linux"];

#[test]
fn the_helper_links_no_library_but_the_systems_own() {
    if !cfg!(target_os = "linux") {
        println!("skipped: reads ELF, and the helper is not one here");
        return;
    }
    let needed = needed(&std::fs::read(HELPER).unwrap()).expect("an ELF file with a dynamic section");
    assert!(
        needed.iter().any(|name| name.starts_with("libc.so")),
        "{needed:?}: is this test reading it right?"
    );
    let other: Vec<_> =
        needed.iter().filter(|name| !LIBRARIES.iter().any(|library| name.starts_with(library))).collect();
    assert!(other.is_empty(), "{} links {other:?}", Path::new(HELPER).display());
}

#[test]
fn the_helper_holds_no_command_line_parser_and_no_toolkit() {
    let helper = std::fs::read(HELPER).unwrap();
    for word in ["clap_builder", "libgtk", "appindicator", "tray_icon"] {
        let found = helper.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!found, "{} mentions {word}", Path::new(HELPER).display());
    }
}

/// The names in the `DT_NEEDED` entries of a 64-bit little-endian ELF file; `None` if it is none.
fn needed(file: &[u8]) -> Option<Vec<String>> {
    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    const NEEDED: u64 = 1;
    const STRING_TABLE: u64 = 5;
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let long = |at: usize| Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));

    // Program headers: kind, flags, offset, address, physical address, size in the file.
    let (first, size, count) = (long(32)? as usize, half(54)? as usize, half(56)? as usize);
    let headers: Vec<(u32, u64, u64, u64)> = (0..count)
        .map(|index| first + index * size)
        .map(|at| Some((word(at)?, long(at + 8)?, long(at + 16)?, long(at + 32)?)))
        .collect::<Option<_>>()?;
    let (_, offset, _, length) = *headers.iter().find(|header| header.0 == DYNAMIC)?;
    let entries: Vec<(u64, u64)> = (offset..offset + length)
        .step_by(16)
        .map(|at| Some((long(at as usize)?, long(at as usize + 8)?)))
        .collect::<Option<_>>()?;

    let strings = entries.iter().find(|entry| entry.0 == STRING_TABLE)?.1;
    let (_, offset, address, _) = *headers.iter().find(|(kind, _, address, length)| {
        *kind == LOAD && (*address..address + length).contains(&strings)
    })?;
    let strings = (strings - address + offset) as usize;
    let string = |at: u64| {
        let text = file.get(strings + at as usize..)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    };
    entries.iter().filter(|entry| entry.0 == NEEDED).map(|entry| string(entry.1)).collect()
}
