//! SHA-256 in hexadecimal.

use std::io::BufRead as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Of these bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Of a file of any length, read piece by piece.
pub fn of_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::io::BufReader::with_capacity(64 << 10, std::fs::File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(piece);
        let length = piece.len();
        file.consume(length);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
