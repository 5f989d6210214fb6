//! SHA-256 in hexadecimal.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Of these bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Of a file of any length, read piece by piece.
pub fn of_file(path: &Path) -> std::io::Result<String> {
    // A pipe that nothing writes to would be waited for, and a device may have no end.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    of_stream(BufReader::with_capacity(64 << 10, file))
}

/// Of what a stream holds up to its end.
pub fn of_stream(mut stream: impl BufRead) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    loop {
        let piece = stream.fill_buf()?;
        if piece.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(piece);
        let length = piece.len();
        stream.consume(length);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
