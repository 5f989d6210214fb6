//! Which boot this is: what was seen before a restart says nothing about now.

/// The boot could not be told.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell which boot this is ({what}): {source}")]
pub struct BootError {
    what: &'static str,
    source: std::io::Error,
}

/// A text that is the same until the machine restarts: `kern.bootsessionuuid` on macOS (XNU,
/// bsd/kern/kern_sysctl.c), `boot_id` of random(4) on Linux. Does not move with the clock.
#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "no crate in use reads a value of sysctl by its name")]
pub fn boot_id() -> Result<String, BootError> {
    let mut buffer = [0u8; 64];
    let mut length = buffer.len();
    // SAFETY: the name ends in NUL; `buffer` and `length` are valid for the call, `length` holds the buffer's size.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            buffer.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if result != 0 {
        return Err(BootError { what: "kern.bootsessionuuid", source: std::io::Error::last_os_error() });
    }
    let text = buffer.get(..length).unwrap_or(&buffer);
    Ok(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
}

/// A text that is the same until the machine restarts.
#[cfg(not(target_os = "macos"))]
pub fn boot_id() -> Result<String, BootError> {
    let what = "/proc/sys/kernel/random/boot_id";
    match std::fs::read_to_string(what) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(BootError { what, source }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stays_the_same() {
        let boot = super::boot_id().unwrap();
        assert!(boot.len() > 20, "{boot}");
        assert_eq!(super::boot_id().unwrap(), boot);
    }
}
