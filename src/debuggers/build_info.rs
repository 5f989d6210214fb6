//! What the linker wrote into a Go program, read from its file: nothing is run.
//!
//! ```
//! use portcullis::debuggers::build_info::build_info;
//! assert_eq!(build_info(b"no Go program"), None);
//! ```

use std::path::Path;

/// No program is longer than this.
const LONGEST_FILE: u64 = 256 << 20;
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;

/// What the linker wrote into a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The Go that built it, such as `1.25.1`.
    pub go: String,
    /// The path of its main package, such as `github.com/go-delve/delve/cmd/dlv`.
    pub package: Option<String>,
    /// The path and version of its main module, such as `github.com/go-delve/delve` and `1.25.2`; `None` where it was
    /// built from a checkout or by a packager.
    pub module: Option<(String, String)>,
}

/// What the linker wrote into the program in this file; `None` where it is not a Go program, or is not read.
pub fn of_program(program: &Path) -> Option<BuildInfo> {
    build_info(&crate::os::read_plain(program, LONGEST_FILE).ok()?)
}

/// Reads what Go 1.18 and later write (Go: debug/buildinfo): a magic word, and after 32 bytes two strings with their
/// lengths before them, the version of Go and the lines of `go version -m`.
pub fn build_info(program: &[u8]) -> Option<BuildInfo> {
    const INLINE: u8 = 2;
    let found = program.chunks(ALIGNMENT).position(|chunk| chunk.starts_with(MAGIC))?;
    let header = program.get(found * ALIGNMENT..)?;
    if header.get(15)? & INLINE == 0 {
        return None;
    }
    let (go, rest) = string(header.get(32..)?)?;
    let (lines, _) = string(rest)?;
    let go = std::str::from_utf8(go).ok()?.strip_prefix("go")?.to_owned();
    let lines = String::from_utf8_lossy(lines);
    let module = lines.lines().find_map(|line| {
        // The first line stands behind 16 bytes that mark the beginning.
        let (_, main) = line.split_once("mod\t")?;
        let mut fields = main.split('\t');
        let (path, version) = (fields.next()?, fields.next()?.strip_prefix('v')?);
        Some((path.to_owned(), version.to_owned()))
    });
    let package = lines.lines().find_map(|line| line.split_once("path\t")).map(|(_, path)| path.to_owned());
    Some(BuildInfo { go, package, module })
}

/// A string behind its length, and what follows it. The length is in pieces of seven bits, the lowest first.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(flags: u8, lines: &str) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes.extend(MAGIC);
        bytes.extend([8, flags]);
        bytes.extend([0; 16]);
        for text in ["go1.25.1", lines] {
            bytes.extend([(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8]);
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn a_program_tells_what_it_was_built_of() {
        let lines = "0123456789abcdefpath\tgithub.com/go-delve/delve/cmd/dlv\nmod\tgithub.com/go-delve/delve\tv1.25.2\th1:x=\ndep\tx\tv1.0.0\n";
        let info = build_info(&program(2, lines)).unwrap();
        assert_eq!(info.go, "1.25.1");
        assert_eq!(info.module, Some(("github.com/go-delve/delve".into(), "1.25.2".into())));
        assert_eq!(info.package.as_deref(), Some("github.com/go-delve/delve/cmd/dlv"));
        let checkout = build_info(&program(2, "path\tx\nmod\tgithub.com/go-delve/delve\t(devel)\n")).unwrap();
        assert_eq!(checkout.module, None);
        assert_eq!(build_info(&program(0, lines)), None, "as Go before 1.18 wrote it");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dlv");
        std::fs::write(&file, program(2, lines)).unwrap();
        assert_eq!(of_program(&file), Some(info));
        assert_eq!(of_program(folder.path()), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_cut_or_bent_never_panics(end in 0usize..200, at in 0usize..200, byte: u8) {
            let mut bytes = program(2, "path\tx\nmod\tx\tv1.0.0\n");
            let (at, end) = (at % bytes.len(), end.min(bytes.len()));
            bytes[at] = byte;
            let _ = build_info(&bytes);
            let _ = build_info(&bytes[..end]);
        }
    }
}
