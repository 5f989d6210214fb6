//! Where macOS and Linux name the same thing by different numbers, and lay out the same facts differently.
//!
//! The numbers are those of Apple's public headers (xnu, `bsd/sys/*.h`); each file names its own.

pub mod clocks;
pub mod errno;
pub mod fcntl;
pub mod files;
pub mod pf;
pub mod processes;
pub mod signals;
pub mod sockets;
pub mod tables;

/// Pairs of a macOS number and the Linux number that means the same.
pub type Pairs<T> = [(T, T)];

/// The Linux number of a macOS one.
pub fn to_linux<T: Copy + PartialEq>(pairs: &Pairs<T>, mac: T) -> Option<T> {
    pairs.iter().find(|(from, _)| *from == mac).map(|(_, to)| *to)
}

/// The macOS number of a Linux one.
pub fn to_mac<T: Copy + PartialEq>(pairs: &Pairs<T>, linux: T) -> Option<T> {
    pairs.iter().find(|(_, from)| *from == linux).map(|(to, _)| *to)
}

/// Flags of macOS as flags of Linux; the error has those that have no counterpart.
pub fn flags_to_linux(pairs: &Pairs<i32>, mac: i32) -> Result<i32, i32> {
    let mut left = mac;
    let mut linux = 0;
    for (from, to) in pairs {
        if left & from == *from {
            left &= !from;
            linux |= to;
        }
    }
    if left == 0 { Ok(linux) } else { Err(left) }
}

/// Flags of Linux as flags of macOS; those without a counterpart are left out.
pub fn flags_to_mac(pairs: &Pairs<i32>, linux: i32) -> i32 {
    let present = pairs.iter().filter(|(_, from)| *from != 0 && linux & from == *from);
    present.fold(0, |flags, (to, _)| flags | to)
}

/// Both directions of a table lead back to where they began.
#[cfg(test)]
pub fn assert_one_to_one<T: Copy + PartialEq + std::fmt::Debug>(pairs: &Pairs<T>) {
    for (mac, linux) in pairs {
        assert_eq!(to_linux(pairs, *mac), Some(*linux), "{mac:?} of macOS stands twice");
        assert_eq!(to_mac(pairs, *linux), Some(*mac), "{linux:?} of Linux stands twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_both_ways_and_unknown_ones_are_told() {
        let pairs = [(0x4, 0x800), (0x8, 0x400)];
        assert_eq!(flags_to_linux(&pairs, 0xc), Ok(0xc00));
        assert_eq!(flags_to_linux(&pairs, 0x14), Err(0x10));
        assert_eq!(flags_to_mac(&pairs, 0xc01), 0xc);
    }
}
