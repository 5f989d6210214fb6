//! Programs of which only what their files state is real.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes a file that can be run.
pub fn write(file: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What Go's linker writes into a Delve of this version; `x` for one that a packager built.
pub fn delve(version: &str) -> Vec<u8> {
    let module = match version {
        "x" => String::new(),
        version => format!("mod\tgithub.com/go-delve/delve\tv{version}\th1:x=\n"),
    };
    let lines = format!("0123456789abcdefpath\tgithub.com/go-delve/delve/cmd/dlv\n{module}");
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.extend([0; 16]);
    for text in ["go1.24.1", &lines] {
        bytes.extend([(text.len() & 0x7f) as u8 | 0x80, (text.len() >> 7) as u8]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The first bytes of a Mach-O program, as many as what follows is aligned to.
pub fn mach_o(sort: &str) -> [u8; 16] {
    let mut header = [0; 16];
    header[..4].copy_from_slice(&0xfeed_facf_u32.to_le_bytes());
    let sort: u32 = if sort == "intel" { 0x0100_0007 } else { 0x0100_000c };
    header[4..8].copy_from_slice(&sort.to_le_bytes());
    header
}
