//! Whether this system knows a name of a service, a user, a group or a host: pfctl asks the same functions.

use std::ffi::CString;
use std::net::ToSocketAddrs as _;

/// Room for the texts of an entry: a group may have many members.
const ROOM: usize = 64 * 1024;

/// A service of TCP or of UDP (`getservbyname(3)`), which pfctl takes whatever the rule's protocol is.
#[expect(unsafe_code, reason = "getservbyname is a C function")]
pub fn knows_service(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    [c"tcp", c"udp"].iter().any(|protocol| {
        // SAFETY: both are C strings that outlive the call; what it gives is only compared with null. No other thread of
        // this program asks it.
        unsafe { !libc::getservbyname(name.as_ptr(), protocol.as_ptr()).is_null() }
    })
}

/// A user (`getpwnam(3)`).
#[expect(unsafe_code, reason = "getpwnam_r is a C function")]
pub fn knows_user(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let (mut text, mut found) = (vec![0; ROOM], std::ptr::null_mut());
    // SAFETY: every pointer is valid for the call, and `text` is as long as said; `entry` is not read.
    let code = unsafe {
        libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found)
    };
    // Where the directory does not answer nothing is known against the name.
    code != 0 || !found.is_null()
}

/// A group (`getgrnam(3)`).
#[expect(unsafe_code, reason = "getgrnam_r is a C function")]
pub fn knows_group(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    let mut entry = std::mem::MaybeUninit::<libc::group>::uninit();
    let (mut text, mut found) = (vec![0; ROOM], std::ptr::null_mut());
    // SAFETY: as above.
    let code = unsafe {
        libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found)
    };
    code != 0 || !found.is_null()
}

/// An interface that has an address, or a name that resolves (`getaddrinfo(3)`).
pub fn knows_host(name: &str) -> bool {
    let interfaces = super::interfaces().unwrap_or_default();
    let has_address =
        |interface: &super::Interface| interface.name == name && !interface.addresses.is_empty();
    // Loopback is none of those that are listed.
    let is_loopback = name == "lo0";
    is_loopback || interfaces.iter().any(has_address) || (name, 0).to_socket_addrs().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_system_has_is_known() {
        assert!(knows_user("root") && !knows_user("no-such-user-7") && !knows_user("a\0b"));
        assert!(!knows_group("no-such-group-7"));
        assert!(!knows_service("no-such-service-7"));
        assert!(knows_host("localhost") && knows_host("lo0"));
    }
}
