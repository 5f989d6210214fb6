//! Sockets.

use std::ffi::{OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{fail, shims, unknown};
use crate::abi::sockets::{self as numbers, Address, TimeValue};
use crate::abi::{errno, flags_to_linux, to_linux};
use crate::root;

shims! {
    "socket" => socket,
    "socketpair" => socketpair,
    "bind" => bind,
    "connect" => connect,
    "listen" => libc::listen,
    "accept" => accept,
    "shutdown" => libc::shutdown,
    "getsockname" => getsockname,
    "getpeername" => getpeername,
    "getsockopt" => getsockopt,
    "setsockopt" => setsockopt,
    "send" => send,
    "sendto" => sendto,
    "recv" => recv,
    "recvfrom" => recvfrom,
    "poll" => libc::poll,
    "poll$NOCANCEL" => libc::poll,
}

fn family(mac: c_int) -> c_int {
    to_linux(numbers::FAMILIES, mac).unwrap_or_else(|| unknown(format_args!("socket: family {mac}")))
}

extern "C" fn socket(mac: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: takes numbers alone.
    unsafe { libc::socket(family(mac), kind, protocol) }
}

unsafe extern "C" fn socketpair(mac: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    // SAFETY: a program gives room for both.
    unsafe { libc::socketpair(family(mac), kind, protocol, pair) }
}

/// # Safety
/// `address` has `length` bytes.
unsafe fn linux_address(address: *const u8, length: u32) -> Option<Vec<u8>> {
    // SAFETY: as the caller says.
    let bytes = unsafe { std::slice::from_raw_parts(address, length as usize) };
    let address = match Address::from_mac(bytes)? {
        Address::Path(path) => {
            let placed = root::place_path(Path::new(OsStr::from_bytes(&path)));
            Address::Path(placed.as_os_str().as_bytes().to_vec())
        }
        other => other,
    };
    Some(address.to_linux())
}

unsafe extern "C" fn bind(socket: c_int, address: *const u8, length: u32) -> c_int {
    // SAFETY: a program gives an address of `length` bytes.
    match unsafe { linux_address(address, length) } {
        // SAFETY: the address is as long as said.
        Some(linux) => unsafe { libc::bind(socket, linux.as_ptr().cast(), linux.len() as u32) },
        None => fail(libc::EAFNOSUPPORT),
    }
}

unsafe extern "C" fn connect(socket: c_int, address: *const u8, length: u32) -> c_int {
    // SAFETY: a program gives an address of `length` bytes.
    match unsafe { linux_address(address, length) } {
        // SAFETY: the address is as long as said.
        Some(linux) => unsafe { libc::connect(socket, linux.as_ptr().cast(), linux.len() as u32) },
        None => fail(libc::EAFNOSUPPORT),
    }
}

/// Calls `ask` with room for an address, and gives what it wrote in macOS's form.
///
/// # Safety
/// `length` is null or points to the room at `address`.
unsafe fn filled(
    address: *mut u8,
    length: *mut u32,
    ask: impl FnOnce(*mut libc::sockaddr, *mut u32) -> isize,
) -> isize {
    // SAFETY: zeroes are a value of `sockaddr_storage`.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut size = size_of_val(&storage) as u32;
    let result = ask((&raw mut storage).cast(), &raw mut size);
    if result < 0 || length.is_null() || address.is_null() {
        return result;
    }
    // SAFETY: the kernel wrote `size` bytes, and no more than there are.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const storage).cast::<u8>(), size as usize) };
    let found = match Address::from_linux(bytes) {
        Some(Address::Path(path)) => Address::Path(root::name(&path)),
        Some(other) => other,
        None => Address::None,
    };
    let mac = found.to_mac();
    // SAFETY: as the caller says.
    unsafe {
        let kept = mac.len().min(*length as usize);
        std::ptr::copy_nonoverlapping(mac.as_ptr(), address, kept);
        *length = mac.len() as u32;
    }
    result
}

unsafe extern "C" fn accept(socket: c_int, address: *mut u8, length: *mut u32) -> c_int {
    // SAFETY: a program gives room, or null. macOS's accepted socket has what its listener has: whether it blocks, too.
    unsafe {
        let accepted =
            filled(address, length, |place, size| libc::accept(socket, place, size) as isize) as c_int;
        if accepted >= 0 && libc::fcntl(socket, libc::F_GETFL) & libc::O_NONBLOCK != 0 {
            let flags = libc::fcntl(accepted, libc::F_GETFL);
            libc::fcntl(accepted, libc::F_SETFL, flags | libc::O_NONBLOCK);
        }
        accepted
    }
}

unsafe extern "C" fn getsockname(socket: c_int, address: *mut u8, length: *mut u32) -> c_int {
    // SAFETY: a program gives room.
    unsafe { filled(address, length, |place, size| libc::getsockname(socket, place, size) as isize) as c_int }
}

unsafe extern "C" fn getpeername(socket: c_int, address: *mut u8, length: *mut u32) -> c_int {
    // SAFETY: a program gives room.
    unsafe { filled(address, length, |place, size| libc::getpeername(socket, place, size) as isize) as c_int }
}

fn option(level: c_int, name: c_int) -> (c_int, c_int) {
    to_linux(numbers::OPTIONS, (level, name))
        .unwrap_or_else(|| unknown(format_args!("socket option {name:#x} of level {level:#x}")))
}

fn is_time(level: c_int, name: c_int) -> bool {
    level == numbers::SOCKET_LEVEL && [numbers::SO_SNDTIMEO, numbers::SO_RCVTIMEO].contains(&name)
}

unsafe extern "C" fn setsockopt(
    socket: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    length: u32,
) -> c_int {
    if (level, name) == (numbers::SOCKET_LEVEL, numbers::SO_NOSIGPIPE) {
        // Every message would need it; Rust ignores the signal for the whole process anyway.
        return 0;
    }
    let (linux_level, linux_name) = option(level, name);
    if is_time(level, name) {
        // SAFETY: a program gives a time.
        let time = unsafe { &*value.cast::<TimeValue>() };
        let linux = libc::timeval { tv_sec: time.seconds, tv_usec: time.microseconds.into() };
        // SAFETY: a time of Linux's.
        return unsafe {
            libc::setsockopt(
                socket,
                linux_level,
                linux_name,
                (&raw const linux).cast(),
                size_of_val(&linux) as u32,
            )
        };
    }
    // SAFETY: all others are whole numbers of the same form.
    unsafe { libc::setsockopt(socket, linux_level, linux_name, value, length) }
}

unsafe extern "C" fn getsockopt(
    socket: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut u32,
) -> c_int {
    let (linux_level, linux_name) = option(level, name);
    if is_time(level, name) {
        let mut linux = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let mut size = size_of_val(&linux) as u32;
        // SAFETY: there is room for a time of Linux's, and the program gives room for one of macOS's.
        return unsafe {
            let result =
                libc::getsockopt(socket, linux_level, linux_name, (&raw mut linux).cast(), &raw mut size);
            value
                .cast::<TimeValue>()
                .write(TimeValue { seconds: linux.tv_sec, microseconds: linux.tv_usec as i32 });
            length.write(size_of::<TimeValue>() as u32);
            result
        };
    }
    // SAFETY: all others are whole numbers of the same form.
    unsafe {
        let result = libc::getsockopt(socket, linux_level, linux_name, value, length);
        if (level, name) == (numbers::SOCKET_LEVEL, numbers::SO_ERROR) && result == 0 {
            let error = value.cast::<c_int>();
            if *error != 0 {
                *error = errno::to_mac(*error);
            }
        }
        result
    }
}

fn message_flags(mac: c_int) -> c_int {
    flags_to_linux(numbers::MESSAGE_FLAGS, mac)
        .unwrap_or_else(|left| unknown(format_args!("message flag {left:#x}")))
}

unsafe extern "C" fn send(socket: c_int, bytes: *const c_void, length: usize, flags: c_int) -> isize {
    // SAFETY: a program gives `length` bytes.
    unsafe { libc::send(socket, bytes, length, message_flags(flags)) }
}

unsafe extern "C" fn sendto(
    socket: c_int,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
    to: *const u8,
    to_length: u32,
) -> isize {
    if to.is_null() {
        // SAFETY: as above.
        return unsafe { send(socket, bytes, length, flags) };
    }
    // SAFETY: a program gives `length` bytes and an address.
    unsafe {
        match linux_address(to, to_length) {
            Some(linux) => {
                let flags = message_flags(flags);
                libc::sendto(socket, bytes, length, flags, linux.as_ptr().cast(), linux.len() as u32)
            }
            None => fail(libc::EAFNOSUPPORT) as isize,
        }
    }
}

unsafe extern "C" fn recv(socket: c_int, bytes: *mut c_void, length: usize, flags: c_int) -> isize {
    // SAFETY: a program gives room for `length` bytes.
    unsafe { libc::recv(socket, bytes, length, message_flags(flags)) }
}

unsafe extern "C" fn recvfrom(
    socket: c_int,
    bytes: *mut c_void,
    length: usize,
    flags: c_int,
    from: *mut u8,
    from_length: *mut u32,
) -> isize {
    let flags = message_flags(flags);
    // SAFETY: a program gives room for `length` bytes, and for an address or null.
    unsafe {
        filled(from, from_length, |place, size| libc::recvfrom(socket, bytes, length, flags, place, size))
    }
}
