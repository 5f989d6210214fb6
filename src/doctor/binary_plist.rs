//! The top of a binary property list: jobs of launchd come in this form too.
//!
//! ```
//! assert!(portcullis::doctor::binary_plist::BinaryPlist::read(b"bplist00").is_none());
//! ```
//!
//! Only the dictionary at the top is looked at, and in it texts and lists of texts; nothing nests, so what is read is bounded
//! by the file (Apple's CFBinaryPList.c has the format).

/// A property list whose top is a dictionary.
#[derive(Debug)]
pub struct BinaryPlist<'a> {
    bytes: &'a [u8],
    /// Where each object begins: numbers of `offset_size` bytes.
    offsets: &'a [u8],
    offset_size: usize,
    reference_size: usize,
    keys: Vec<usize>,
    values: Vec<usize>,
}

/// Kinds of objects, by the high half of their first byte.
const INTEGER: u8 = 0x1;
const ASCII: u8 = 0x5;
const UTF_16: u8 = 0x6;
const ARRAY: u8 = 0xa;
const DICTIONARY: u8 = 0xd;

const HEADER: &[u8] = b"bplist00";
const TRAILER: usize = 32;

impl<'a> BinaryPlist<'a> {
    /// Whether the bytes begin as a binary property list does.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.starts_with(HEADER)
    }

    /// `None` where it is none, or its top is no dictionary.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if !BinaryPlist::is_meant(bytes) {
            return None;
        }
        let trailer = bytes.get(bytes.len().checked_sub(TRAILER)?..)?;
        let [offset_size, reference_size] = [6, 7].map(|at| trailer.get(at).copied().map_or(0, usize::from));
        let count = number(trailer.get(8..16)?)?;
        let top = number(trailer.get(16..24)?)?;
        let table = number(trailer.get(24..32)?)?;
        if !(1..=8).contains(&offset_size) || !(1..=8).contains(&reference_size) {
            return None;
        }
        let offsets = bytes.get(table..table.checked_add(count.checked_mul(offset_size)?)?)?;
        let mut list =
            BinaryPlist { bytes, offsets, offset_size, reference_size, keys: Vec::new(), values: Vec::new() };
        let (kind, length, rest) = list.object(top)?;
        if kind != DICTIONARY {
            return None;
        }
        list.keys = list.references(rest, 0, length)?;
        list.values = list.references(rest, length, length)?;
        Some(list)
    }

    /// The text under a key.
    pub fn string(&self, key: &str) -> Option<String> {
        self.text(self.value(key)?)
    }

    /// The texts of the list under a key.
    pub fn strings(&self, key: &str) -> Option<Vec<String>> {
        let (kind, length, rest) = self.object(self.value(key)?)?;
        if kind != ARRAY {
            return None;
        }
        self.references(rest, 0, length)?.into_iter().map(|item| self.text(item)).collect()
    }

    fn value(&self, key: &str) -> Option<usize> {
        let at = self.keys.iter().position(|name| self.text(*name).as_deref() == Some(key))?;
        self.values.get(at).copied()
    }

    /// The kind of an object, its length in its own units, and the bytes from its contents on.
    fn object(&self, index: usize) -> Option<(u8, usize, &'a [u8])> {
        let at = index.checked_mul(self.offset_size)?;
        let offset = number(self.offsets.get(at..at.checked_add(self.offset_size)?)?)?;
        let (first, rest) = self.bytes.get(offset..)?.split_first()?;
        match (first >> 4, first & 0xf) {
            // A length of 15 or more is an integer of its own.
            (kind, 0xf) => {
                let (marker, rest) = rest.split_first()?;
                let size = 1_usize << (marker & 0xf).min(7);
                let length = number(rest.get(..size).filter(|_| marker >> 4 == INTEGER)?)?;
                Some((kind, length, rest.get(size..)?))
            }
            (kind, length) => Some((kind, length.into(), rest)),
        }
    }

    /// `length` references, behind the first `skipped`.
    fn references(&self, bytes: &[u8], skipped: usize, length: usize) -> Option<Vec<usize>> {
        let size = self.reference_size;
        let first = skipped.checked_mul(size)?;
        let bytes = bytes.get(first..first.checked_add(length.checked_mul(size)?)?)?;
        bytes.chunks(size).map(number).collect()
    }

    fn text(&self, index: usize) -> Option<String> {
        match self.object(index)? {
            (ASCII, length, rest) => String::from_utf8(rest.get(..length)?.to_vec()).ok(),
            (UTF_16, length, rest) => {
                let units = rest.get(..length.checked_mul(2)?)?.chunks_exact(2);
                let units: Vec<u16> =
                    units.filter_map(|two| Some(u16::from_be_bytes(two.try_into().ok()?))).collect();
                String::from_utf16(&units).ok()
            }
            _ => None,
        }
    }
}

/// A number in network order.
fn number(bytes: &[u8]) -> Option<usize> {
    let mut value: u64 = 0;
    for byte in bytes {
        value = value.checked_mul(256)? | u64::from(*byte);
    }
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's plistlib writes them.
    const ENABLE: &[u8] = include_bytes!("../../tests/data/jobs/enable.plist");
    const LOAD: &[u8] = include_bytes!("../../tests/data/jobs/load.plist");

    #[test]
    fn texts_and_lists_are_read() {
        let list = BinaryPlist::read(ENABLE).unwrap();
        assert_eq!(list.string("Label").as_deref(), Some("com.example.pf"));
        assert_eq!(list.string("Comment").as_deref(), Some("Schaltet pf ein – für alle"));
        assert_eq!(list.strings("ProgramArguments").unwrap(), ["/sbin/pfctl", "-e", "-f", "/etc/pf.conf"]);
        assert_eq!((list.string("Program"), list.strings("Label")), (None, None));
        let list = BinaryPlist::read(LOAD).unwrap();
        assert_eq!(list.strings("ProgramArguments").unwrap()[4], "x".repeat(300));
        assert_eq!(list.string("Program").as_deref(), Some("/bin/launchctl"));
    }

    #[test]
    fn any_bytes_are_taken() {
        for at in 0..ENABLE.len() {
            for value in [0, 1, 0x0f, 0x7f, 0xdf, 0xff] {
                let mut broken = ENABLE.to_vec();
                broken[at] = value;
                if let Some(list) = BinaryPlist::read(&broken) {
                    let _ = (list.string("Label"), list.strings("ProgramArguments"));
                }
            }
            assert!(BinaryPlist::read(&ENABLE[..at]).is_none_or(|list| list.keys.len() <= ENABLE.len()));
        }
    }
}
