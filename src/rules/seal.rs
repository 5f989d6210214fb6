//! A file of ours with its own SHA-256: what was damaged on the disk, or edited by hand, does not read as if it were whole.
//!
//! It is a JSON object whose last line is the hash of everything before it, so that other programs read it as before. It is
//! no signature: who can write the file can write the hash.
//!
//! ```
//! use portcullis::rules::seal;
//! let file = seal::close(&serde_json::json!({ "port": 2345 }))?;
//! assert_eq!(seal::open(&file).unwrap(), b"{\n  \"port\": 2345\n}");
//! assert!(seal::open(b"{\n  \"port\": 2345\n}").is_err());
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::Serialize;
use sha2::{Digest as _, Sha256};

const BEFORE: &str = ",\n  \"sha256\": \"";
const AFTER: &str = "\"\n}";
const END: &str = "\n}";
/// SHA-256 in hexadecimal.
const HASH_LENGTH: usize = 64;

/// Why the content of a file is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("it does not end with its hash")]
    Missing,
    #[error("its hash is not that of its content")]
    Differs,
}

/// The bytes of the file that holds `value`, an object with a field at least.
pub fn close(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let content = serde_json::to_vec_pretty(value)?;
    Ok(sealed(&content))
}

/// The content of a file that [`close`] wrote.
pub fn open(file: &[u8]) -> Result<Vec<u8>, SealError> {
    let rest = file.strip_suffix(AFTER.as_bytes()).ok_or(SealError::Missing)?;
    let (rest, hash) = rest
        .len()
        .checked_sub(HASH_LENGTH)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SealError::Missing)?;
    let rest = rest.strip_suffix(BEFORE.as_bytes()).ok_or(SealError::Missing)?;
    let content = [rest, END.as_bytes()].concat();
    if hash_of(&content).as_bytes() == hash { Ok(content) } else { Err(SealError::Differs) }
}

/// The file of a content that stands as [`open`] gives it.
pub fn sealed(content: &[u8]) -> Vec<u8> {
    let hash = hash_of(content);
    let fields = content.strip_suffix(END.as_bytes()).unwrap_or(content);
    [fields, BEFORE.as_bytes(), hash.as_bytes(), AFTER.as_bytes()].concat()
}

fn hash_of(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_bit_that_flips_is_noticed() {
        let file = close(&serde_json::json!({ "port": 2345, "by": "ada" })).unwrap();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert!(open(&flipped).is_err(), "bit {bit} of byte {at}");
            }
            assert!(open(&file[..at]).is_err());
        }
        assert!(serde_json::from_slice::<serde_json::Value>(&file).is_ok());
    }

    proptest! {
        #[test]
        fn what_was_closed_opens(texts in proptest::collection::vec(".*", 1..4)) {
            let file = close(&serde_json::json!({ "texts": texts })).unwrap();
            let content = open(&file).unwrap();
            prop_assert_eq!(&content, &serde_json::to_vec_pretty(&serde_json::json!({ "texts": texts })).unwrap());
            prop_assert_eq!(sealed(&content), file);
        }

        #[test]
        fn nothing_makes_it_fail_otherwise(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&bytes).is_err());
        }
    }
}
