//! What this system knows of the name of a service, a user, a group or a host: pfctl asks the same functions.

use std::ffi::CString;
use std::net::ToSocketAddrs as _;
use std::sync::{Mutex, PoisonError};

/// Room for the texts of an entry: a group may have many members.
const ROOM: usize = 64 * 1024;

/// What a directory has under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Missing,
    /// The port of a service, in host order; the number of a user or a group.
    Number(u32),
    /// The directory does not answer: nothing is known against the name.
    Silent,
}

/// A service of TCP or of UDP (`getservbyname(3)`), which pfctl takes whatever the rule's protocol is.
#[expect(unsafe_code, reason = "getservbyname is a C function")]
pub fn service(name: &str) -> Entry {
    /// What getservbyname(3) gives is good until it is called again.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let Ok(name) = CString::new(name) else { return Entry::Missing };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = [c"tcp", c"udp"].iter().filter_map(|protocol| {
        // SAFETY: both are C strings that outlive the call.
        let entry = unsafe { libc::getservbyname(name.as_ptr(), protocol.as_ptr()) };
        // SAFETY: it is null or an entry that is not written while the lock is held.
        unsafe { entry.as_ref() }.map(|entry| entry.s_port)
    });
    // The low two bytes of the number, in network order.
    let port = found.next().map(|port| u16::from_be((port & 0xffff) as u16));
    port.map_or(Entry::Missing, |port| Entry::Number(port.into()))
}

/// A user (`getpwnam(3)`).
#[expect(unsafe_code, reason = "getpwnam_r is a C function")]
pub fn user(name: &str) -> Entry {
    let Ok(name) = CString::new(name) else { return Entry::Missing };
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let (mut text, mut found) = (vec![0; ROOM], std::ptr::null_mut());
    // SAFETY: every pointer is valid for the call, and `text` is as long as said.
    let code = unsafe {
        libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found)
    };
    // SAFETY: it is null, or points to `entry`, which was written then.
    numbered(code, unsafe { found.as_ref() }.map(|entry| entry.pw_uid))
}

/// A group (`getgrnam(3)`).
#[expect(unsafe_code, reason = "getgrnam_r is a C function")]
pub fn group(name: &str) -> Entry {
    let Ok(name) = CString::new(name) else { return Entry::Missing };
    let mut entry = std::mem::MaybeUninit::<libc::group>::uninit();
    let (mut text, mut found) = (vec![0; ROOM], std::ptr::null_mut());
    // SAFETY: as above.
    let code = unsafe {
        libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found)
    };
    // SAFETY: as above.
    numbered(code, unsafe { found.as_ref() }.map(|entry| entry.gr_gid))
}

fn numbered(code: libc::c_int, found: Option<u32>) -> Entry {
    match (found, code) {
        (Some(number), _) => Entry::Number(number),
        (None, 0) => Entry::Missing,
        (None, _) => Entry::Silent,
    }
}

/// Whether the interface has an address.
pub fn has_address(name: &str) -> bool {
    let interfaces = super::interfaces().unwrap_or_default();
    // Loopback is none of those that are listed.
    name == "lo0"
        || interfaces.iter().any(|interface| interface.name == name && !interface.addresses.is_empty())
}

/// An interface that has an address, or a name that resolves (`getaddrinfo(3)`).
pub fn knows_host(name: &str) -> bool {
    has_address(name) || (name, 0).to_socket_addrs().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_system_has_is_known() {
        assert_eq!(user("root"), Entry::Number(0));
        assert!(user("no-such-user-7") == Entry::Missing && user("a\0b") == Entry::Missing);
        assert_eq!(group("no-such-group-7"), Entry::Missing);
        assert_eq!(service("no-such-service-7"), Entry::Missing);
        // A small system has no list of services.
        assert!(matches!(service("ssh"), Entry::Number(22) | Entry::Missing));
        assert!(knows_host("localhost") && knows_host("lo0"));
        assert!(has_address("lo0") && !has_address("no0"));
    }
}
