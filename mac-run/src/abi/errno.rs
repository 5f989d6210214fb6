//! Error numbers (xnu, `bsd/sys/errno.h`).

use libc::c_int;

use super::Pairs;

/// Every number of macOS that Linux has a word for, where the numbers differ.
const DIFFERENT: &Pairs<c_int> = &[
    (11, libc::EDEADLK),
    (35, libc::EAGAIN),
    (36, libc::EINPROGRESS),
    (37, libc::EALREADY),
    (38, libc::ENOTSOCK),
    (39, libc::EDESTADDRREQ),
    (40, libc::EMSGSIZE),
    (41, libc::EPROTOTYPE),
    (42, libc::ENOPROTOOPT),
    (43, libc::EPROTONOSUPPORT),
    (44, libc::ESOCKTNOSUPPORT),
    (45, libc::EOPNOTSUPP),
    (46, libc::EPFNOSUPPORT),
    (47, libc::EAFNOSUPPORT),
    (48, libc::EADDRINUSE),
    (49, libc::EADDRNOTAVAIL),
    (50, libc::ENETDOWN),
    (51, libc::ENETUNREACH),
    (52, libc::ENETRESET),
    (53, libc::ECONNABORTED),
    (54, libc::ECONNRESET),
    (55, libc::ENOBUFS),
    (56, libc::EISCONN),
    (57, libc::ENOTCONN),
    (58, libc::ESHUTDOWN),
    (59, libc::ETOOMANYREFS),
    (60, libc::ETIMEDOUT),
    (61, libc::ECONNREFUSED),
    (62, libc::ELOOP),
    (63, libc::ENAMETOOLONG),
    (64, libc::EHOSTDOWN),
    (65, libc::EHOSTUNREACH),
    (66, libc::ENOTEMPTY),
    (68, libc::EUSERS),
    (69, libc::EDQUOT),
    (70, libc::ESTALE),
    (71, libc::EREMOTE),
    (77, libc::ENOLCK),
    (78, libc::ENOSYS),
    (84, libc::EOVERFLOW),
    (89, libc::ECANCELED),
    (90, libc::EIDRM),
    (91, libc::ENOMSG),
    (92, libc::EILSEQ),
    // ENOATTR: Linux says that an extended attribute is missing by ENODATA.
    (93, libc::ENODATA),
    (94, libc::EBADMSG),
    (95, libc::EMULTIHOP),
    (97, libc::ENOLINK),
    (98, libc::ENOSR),
    (99, libc::ENOSTR),
    (100, libc::EPROTO),
    (101, libc::ETIME),
    (104, libc::ENOTRECOVERABLE),
    (105, libc::EOWNERDEAD),
];

/// Up to ERANGE both are as Unix was, EAGAIN's old place apart.
const LAST_OF_UNIX: c_int = 34;
const EINVAL: c_int = 22;

pub fn to_mac(linux: c_int) -> c_int {
    match super::to_mac(DIFFERENT, linux) {
        Some(mac) => mac,
        None if (0..=LAST_OF_UNIX).contains(&linux) => linux,
        // What no call of macOS gives.
        None => EINVAL,
    }
}

pub fn to_linux(mac: c_int) -> Option<c_int> {
    let same = (0..=LAST_OF_UNIX).contains(&mac).then_some(mac);
    super::to_linux(DIFFERENT, mac).or(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        crate::abi::assert_one_to_one(DIFFERENT);
        for mac in 1..=105 {
            if let Some(linux) = to_linux(mac) {
                assert_eq!(to_mac(linux), mac, "{mac}");
            }
        }
    }

    #[test]
    fn those_that_rust_tells_apart() {
        // The numbers as Rust's libc has them for Apple.
        for (mac, linux) in [(1, libc::EPERM), (2, libc::ENOENT), (17, libc::EEXIST), (35, libc::EAGAIN)] {
            assert_eq!((to_mac(linux), to_linux(mac)), (mac, Some(linux)));
        }
        assert_eq!(to_mac(libc::EUCLEAN), EINVAL);
        assert_eq!(to_linux(106), None);
    }
}
