//! Network interfaces and names: `getifaddrs`, `getaddrinfo`. What is given is allocated here and freed here.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::{shims, unknown};
use crate::abi::sockets::{self as numbers, Address};
use crate::abi::{flags_to_linux, flags_to_mac, to_linux, to_mac};

shims! {
    "getifaddrs" => getifaddrs,
    "freeifaddrs" => freeifaddrs,
    "if_nametoindex" => if_nametoindex,
    "if_indextoname" => if_indextoname,
    "getaddrinfo" => getaddrinfo,
    "freeaddrinfo" => freeaddrinfo,
    "gai_strerror" => gai_strerror,
}

/// `struct ifaddrs`.
#[repr(C)]
struct Interface {
    next: *mut Interface,
    name: *mut c_char,
    flags: u32,
    address: *mut u8,
    mask: *mut u8,
    destination: *mut u8,
    data: *mut c_void,
}

const _: () = assert!(size_of::<Interface>() == 56);

/// What an interface is called on a Mac: the loopback one has a number.
fn name(linux: &CStr) -> CString {
    if linux == c"lo" { c"lo0".to_owned() } else { linux.to_owned() }
}

fn linux_name(mac: &CStr) -> CString {
    if mac == c"lo0" { c"lo".to_owned() } else { mac.to_owned() }
}

unsafe extern "C" fn getifaddrs(first: *mut *mut Interface) -> c_int {
    let mut list = std::ptr::null_mut();
    // SAFETY: the list is filled, read and freed here; there is room for the result.
    unsafe {
        if libc::getifaddrs(&raw mut list) != 0 {
            return -1;
        }
        let mut made = Vec::new();
        let mut next = list;
        while let Some(linux) = next.as_ref() {
            next = linux.ifa_next;
            // Hardware addresses have another form altogether and are left out.
            made.extend(interface(linux));
        }
        libc::freeifaddrs(list);
        first.write(link(made));
    }
    0
}

/// # Safety
/// `linux` is an entry of the C library's list.
unsafe fn interface(linux: &libc::ifaddrs) -> Option<Interface> {
    // SAFETY: as the caller says.
    let (address, mask, destination) =
        unsafe { (address(linux.ifa_addr)?, address(linux.ifa_netmask), address(linux.ifa_ifu)) };
    Some(Interface {
        next: std::ptr::null_mut(),
        // SAFETY: a C string.
        name: name(unsafe { CStr::from_ptr(linux.ifa_name) }).into_raw(),
        flags: flags_to_mac(numbers::INTERFACE_FLAGS, linux.ifa_flags as c_int) as u32,
        address,
        mask: mask.unwrap_or(std::ptr::null_mut()),
        destination: destination.unwrap_or(std::ptr::null_mut()),
        data: std::ptr::null_mut(),
    })
}

/// # Safety
/// `linux` is null or an address.
unsafe fn address(linux: *const libc::sockaddr) -> Option<*mut u8> {
    // SAFETY: as the caller says; its family tells how long it is.
    unsafe {
        let length = match c_int::from(linux.as_ref()?.sa_family) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            _ => return None,
        };
        let bytes = Address::from_linux(std::slice::from_raw_parts(linux.cast(), length))?.to_mac();
        Some(copy(&bytes))
    }
}

/// A copy in memory of the C library's.
fn copy(bytes: &[u8]) -> *mut u8 {
    // SAFETY: fresh memory of that size.
    unsafe {
        let place = libc::malloc(bytes.len()).cast::<u8>();
        if place.is_null() {
            std::process::abort();
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        place
    }
}

fn link(made: Vec<Interface>) -> *mut Interface {
    made.into_iter().rev().fold(std::ptr::null_mut(), |next, mut interface| {
        interface.next = next;
        Box::into_raw(Box::new(interface))
    })
}

unsafe extern "C" fn freeifaddrs(mut list: *mut Interface) {
    // SAFETY: a program gives back what it was given.
    unsafe {
        while !list.is_null() {
            let interface = Box::from_raw(list);
            list = interface.next;
            drop(CString::from_raw(interface.name));
            for part in [interface.address, interface.mask, interface.destination] {
                libc::free(part.cast());
            }
        }
    }
}

unsafe extern "C" fn if_nametoindex(name: *const c_char) -> u32 {
    // SAFETY: a program gives a C string.
    unsafe { libc::if_nametoindex(linux_name(CStr::from_ptr(name)).as_ptr()) }
}

/// The buffer has 16 bytes on both.
unsafe extern "C" fn if_indextoname(index: u32, buffer: *mut c_char) -> *mut c_char {
    // SAFETY: a program gives room for a name.
    unsafe {
        if libc::if_indextoname(index, buffer).is_null() {
            return std::ptr::null_mut();
        }
        let name = name(CStr::from_ptr(buffer));
        std::ptr::copy_nonoverlapping(name.as_ptr(), buffer, name.as_bytes_with_nul().len());
        buffer
    }
}

/// `struct addrinfo`, in which the name stands before the address.
#[repr(C)]
struct AddressInfo {
    flags: c_int,
    family: c_int,
    kind: c_int,
    protocol: c_int,
    length: u32,
    name: *mut c_char,
    address: *mut u8,
    next: *mut AddressInfo,
}

const _: () = assert!(size_of::<AddressInfo>() == 48 && std::mem::offset_of!(AddressInfo, address) == 32);

unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const AddressInfo,
    first: *mut *mut AddressInfo,
) -> c_int {
    // SAFETY: a program gives texts and hints or null, and room for the result; zeroes are a value of `addrinfo`.
    unsafe {
        let mut wanted: libc::addrinfo = std::mem::zeroed();
        if let Some(hints) = hints.as_ref() {
            wanted.ai_flags = flags_to_linux(numbers::ADDRINFO_FLAGS, hints.flags)
                .unwrap_or_else(|left| unknown(format_args!("getaddrinfo: flag {left:#x}")));
            wanted.ai_family = to_linux(numbers::FAMILIES, hints.family).unwrap_or(-1);
            wanted.ai_socktype = hints.kind;
            wanted.ai_protocol = hints.protocol;
        }
        let mut list = std::ptr::null_mut();
        let error = libc::getaddrinfo(node, service, &raw const wanted, &raw mut list);
        if error != 0 {
            const NONAME: c_int = 8;
            return to_mac(numbers::NAME_ERRORS, error).unwrap_or(NONAME);
        }
        let mut made = Vec::new();
        let mut next = list;
        while let Some(linux) = next.as_ref() {
            next = linux.ai_next;
            let bytes = std::slice::from_raw_parts(linux.ai_addr.cast::<u8>(), linux.ai_addrlen as usize);
            let Some(address) = Address::from_linux(bytes) else { continue };
            let bytes = address.to_mac();
            made.push(AddressInfo {
                flags: 0,
                family: to_mac(numbers::FAMILIES, linux.ai_family).unwrap_or_default(),
                kind: linux.ai_socktype,
                protocol: linux.ai_protocol,
                length: bytes.len() as u32,
                name: std::ptr::null_mut(),
                address: copy(&bytes),
                next: std::ptr::null_mut(),
            });
        }
        libc::freeaddrinfo(list);
        let first_made = made.into_iter().rev().fold(std::ptr::null_mut(), |next, mut info| {
            info.next = next;
            Box::into_raw(Box::new(info))
        });
        first.write(first_made);
    }
    0
}

unsafe extern "C" fn freeaddrinfo(mut list: *mut AddressInfo) {
    // SAFETY: a program gives back what it was given.
    unsafe {
        while !list.is_null() {
            let info = Box::from_raw(list);
            list = info.next;
            libc::free(info.address.cast());
        }
    }
}

extern "C" fn gai_strerror(mac: c_int) -> *const c_char {
    let linux = to_linux(numbers::NAME_ERRORS, mac).unwrap_or(libc::EAI_FAIL);
    // SAFETY: a text that stays.
    unsafe { libc::gai_strerror(linux) }
}
