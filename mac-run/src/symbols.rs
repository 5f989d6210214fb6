//! Where each symbol that a program imports is: a function of ours, one of the C library's, or a stub that ends the
//! process with the symbol's name.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::OnceLock;

use crate::system::{self, frameworks, memory};
use crate::trace;

/// The place of an imported symbol, such as `_open`. There is always one: what has no function gets a stub.
pub fn place(symbol: &str) -> usize {
    let name = symbol.strip_prefix('_').unwrap_or(symbol);
    find(name).unwrap_or_else(|| missing(name))
}

/// The place of a symbol without its underscore, where there is one.
pub fn find(name: &str) -> Option<usize> {
    static KNOWN: OnceLock<HashMap<&str, usize>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let shims =
            system::AREAS.iter().flat_map(|area| area.iter()).map(|shim| (shim.name, shim.place as usize));
        let calls = memory::CALLS.iter().filter_map(|name| Some((*name, of_c_library(name)?)));
        shims.chain(calls).map(|(name, place)| (name, trace::noting(name, place))).collect()
    });
    let name = memory::RENAMED.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| to);
    let straight = || memory::STRAIGHT.iter().find(|straight| **straight == name);
    known.get(name).copied().or_else(|| of_c_library(straight()?))
}

fn of_c_library(name: &str) -> Option<usize> {
    let name = CString::new(name).ok()?;
    // SAFETY: C strings; libraries of the C library's, which stay loaded.
    let place = unsafe {
        // Arithmetic is a library of its own here, which nothing else may have loaded.
        let arithmetic = libc::dlopen(c"libm.so.6".as_ptr(), libc::RTLD_NOW);
        match libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) {
            place if place.is_null() && !arithmetic.is_null() => libc::dlsym(arithmetic, name.as_ptr()),
            place => place,
        }
    };
    (!place.is_null()).then_some(place as usize)
}

/// A place for a symbol that nothing here stands for: a call of it ends the process; a datum is zero.
fn missing(name: &str) -> usize {
    if frameworks::is_datum(name) {
        return vec![0u64; DATUM].leak().as_ptr() as usize;
    }
    let name = CString::new(name).unwrap_or_default().into_raw();
    // mov rdi, NAME; mov rax, FUNCTION; and rsp, -16; call rax
    let mut code = vec![0x48, 0xbf];
    code.extend((name as usize).to_le_bytes());
    code.extend([0x48, 0xb8]);
    code.extend((called as *const () as usize).to_le_bytes());
    code.extend([0x48, 0x83, 0xe4, 0xf0, 0xff, 0xd0]);
    executable(&code)
}

/// More words than a datum of a framework has.
const DATUM: usize = 64;
const PAGE: usize = 4096;

/// Puts code into memory of its own.
pub fn executable(code: &[u8]) -> usize {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: asks for new memory, and fills it before it is made executable; the code is shorter than a page.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0);
        if page == libc::MAP_FAILED || code.len() > PAGE {
            std::process::abort();
        }
        std::ptr::copy_nonoverlapping(code.as_ptr(), page.cast(), code.len());
        libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_EXEC);
        page as usize
    }
}

/// Ends the process with the name of what was called.
unsafe extern "C" fn called(name: *const libc::c_char) -> ! {
    // SAFETY: the stub gives the name that it was made with.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    eprintln!("mac-run: the program called {name}, which has no shim");
    std::process::exit(crate::EXIT_UNKNOWN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<&str> =
            system::AREAS.iter().flat_map(|area| area.iter()).map(|shim| shim.name).collect();
        names.extend(memory::STRAIGHT);
        names.extend(memory::CALLS);
        names.extend(memory::RENAMED.iter().map(|(name, _)| name));
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
    }

    #[test]
    fn what_goes_straight_to_the_c_library_is_there() {
        let renamed = memory::RENAMED.iter().map(|(_, name)| name);
        for name in memory::STRAIGHT.iter().chain(memory::CALLS).chain(renamed) {
            assert!(of_c_library(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_name_without_its_suffix_is_another_function() {
        assert!(find("stat$INODE64").is_some() && find("stat").is_none());
        assert_ne!(place("_malloc"), place("_CFRelease"));
    }
}
