//! Our marked block in pf.conf: added once, found again, removed byte for byte.
//!
//! ```
//! use portcullis::rules::conf;
//! let stock = b"anchor \"com.apple/*\"";
//! let edited = conf::add(stock).unwrap();
//! assert_eq!(conf::remove(&edited).unwrap(), stock);
//! ```

use crate::system::{ANCHOR_FILE, CLASSIC_ANCHOR};

const BEGIN: &str = "# BEGIN dev.portcullis (managed by Portcullis; it removes these lines itself)";
/// The file had no newline at its end: the one before our block is ours too.
const BEGIN_AFTER_BARE_END: &str = "# BEGIN dev.portcullis (managed by Portcullis; it removes these lines and the newline before them itself)";
const END: &str = "# END dev.portcullis";
/// What both forms of the first line begin with.
const BEGIN_MARK: &[u8] = b"# BEGIN dev.portcullis";

/// A pf.conf whose block of ours cannot be found for certain. Nothing is to be edited then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// One mark without the other, or in the wrong order.
    #[error(
        "line {line} of pf.conf has one mark of Portcullis's block without the other: take the rest of the block out by hand"
    )]
    Torn {
        /// Line of the mark that stands alone, from 1.
        line: usize,
    },
    /// More than one block.
    #[error("line {line} of pf.conf begins a second block of Portcullis's: take one of them out by hand")]
    Twice {
        /// Line where the second begins, from 1.
        line: usize,
    },
}

/// Whether our block is in it. Errors: a torn or doubled block.
pub fn contains(conf: &[u8]) -> Result<bool, ConfError> {
    Ok(find(conf)?.is_some())
}

/// The file with our block at its end; as it is where the block is there already. The block takes the
/// line ending of the file's last line.
pub fn add(conf: &[u8]) -> Result<Vec<u8>, ConfError> {
    if find(conf)?.is_some() {
        return Ok(conf.to_vec());
    }
    let newline: &str = match conf.iter().rposition(|&byte| byte == b'\n') {
        Some(at) if at > 0 && conf[at - 1] == b'\r' => "\r\n",
        _ => "\n",
    };
    let bare_end = !conf.is_empty() && !conf.ends_with(b"\n");
    let mut edited = conf.to_vec();
    if bare_end {
        edited.extend_from_slice(newline.as_bytes());
    }
    let lines = [
        if bare_end { BEGIN_AFTER_BARE_END } else { BEGIN },
        &format!("anchor \"{CLASSIC_ANCHOR}\""),
        &format!("load anchor \"{CLASSIC_ANCHOR}\" from \"{ANCHOR_FILE}\""),
        END,
    ];
    for line in lines {
        edited.extend_from_slice(line.as_bytes());
        edited.extend_from_slice(newline.as_bytes());
    }
    Ok(edited)
}

/// The file without our block; as it is where there is none. `remove(add(x)) == x` for every `x` without one.
/// Lines that were added after the block stay.
pub fn remove(conf: &[u8]) -> Result<Vec<u8>, ConfError> {
    let Some(block) = find(conf)? else { return Ok(conf.to_vec()) };
    let (mut before, after) = (&conf[..block.start], &conf[block.end..]);
    let ours = &conf[block];
    // Lines that were added after the block need the newline that we put before it.
    if ours.starts_with(BEGIN_AFTER_BARE_END.as_bytes()) && after.is_empty() {
        let newline: &[u8] = if ours.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        before = before.strip_suffix(newline).unwrap_or(before);
    }
    Ok([before, after].concat())
}

/// The byte range of our block, its last newline included.
fn find(conf: &[u8]) -> Result<Option<std::ops::Range<usize>>, ConfError> {
    let mut begun: Option<(usize, usize)> = None; // offset, line
    let mut found: Option<std::ops::Range<usize>> = None;
    let mut offset = 0;
    for (index, line) in conf.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        if line.starts_with(BEGIN_MARK) {
            if let Some((_, torn)) = begun {
                return Err(ConfError::Torn { line: torn });
            }
            if found.is_some() {
                return Err(ConfError::Twice { line: number });
            }
            begun = Some((offset, number));
        } else if line.trim_ascii_end() == END.as_bytes() {
            match begun.take() {
                Some((start, _)) => found = Some(start..offset + line.len()),
                None => return Err(ConfError::Torn { line: number }),
            }
        }
        offset += line.len();
    }
    match begun {
        Some((_, line)) => Err(ConfError::Torn { line }),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_line_ending_of_the_file() {
        let edited = add(b"a\r\nb\r\n").unwrap();
        assert!(edited.windows(2).filter(|pair| pair[1] == b'\n').all(|pair| pair[0] == b'\r'));
        assert_eq!(remove(&edited).unwrap(), b"a\r\nb\r\n");
    }

    #[test]
    fn is_added_once() {
        let once = add(b"pass\n").unwrap();
        assert_eq!(add(&once).unwrap(), once);
        assert!(contains(&once).unwrap());
        assert!(!contains(b"pass\n").unwrap());
    }

    #[test]
    fn what_follows_the_block_stays_on_its_own_line() {
        let mut edited = add(b"block all").unwrap();
        edited.extend_from_slice(b"pass in\n");
        assert_eq!(remove(&edited).unwrap(), b"block all\npass in\n");
    }

    #[test]
    fn torn_and_doubled_blocks_are_refused_with_their_line() {
        let block = add(b"").unwrap();
        let twice = [block.clone(), block.clone()].concat();
        assert_eq!(remove(&twice), Err(ConfError::Twice { line: 5 }));
        assert_eq!(remove(b"# BEGIN dev.portcullis\n"), Err(ConfError::Torn { line: 1 }));
        assert_eq!(remove(b"pass\n# END dev.portcullis\n"), Err(ConfError::Torn { line: 2 }));
        assert_eq!(add(&block[..block.len() - 5]), Err(ConfError::Torn { line: 1 }));
    }

    proptest::proptest! {
        #[test]
        fn comes_and_goes_byte_for_byte(lines in proptest::collection::vec("[ -~\\t]{0,20}(\r\n|\n|\r)", 0..8), last in "[ -~\r]{0,9}") {
            let conf = (lines.concat() + &last).into_bytes();
            proptest::prop_assert_eq!(remove(&add(&conf).unwrap()).unwrap(), conf);
        }

        #[test]
        fn any_bytes_at_all(conf: Vec<u8>) {
            if let Ok(edited) = add(&conf) {
                proptest::prop_assert_eq!(remove(&edited).unwrap(), conf);
            }
        }
    }
}
