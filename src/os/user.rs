//! Who this process belongs to, and the names of users.

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user who ran sudo(8), by the environment as it was at the first call: the helper's own is emptied later.
pub fn sudo_uid() -> Option<u32> {
    static SUDO_UID: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *SUDO_UID.get_or_init(|| std::env::var("SUDO_UID").ok()?.parse().ok())
}

/// The user that this process belongs to.
pub fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The user's name as the system's directory gives it, or `uid N` where it has none.
#[expect(unsafe_code, reason = "getpwuid_r is a C function")]
pub fn user_of(uid: u32) -> String {
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut text = [0; 4096];
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer is valid for the call, and `text` is as long as said. Where the call succeeds and
    // `found` is set, `entry` is filled and its strings are NUL-ended and lie in `text`, which outlives their use.
    let name = unsafe {
        let code = libc::getpwuid_r(uid, entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found);
        (code == 0 && !found.is_null())
            .then(|| std::ffi::CStr::from_ptr(entry.assume_init_ref().pw_name).to_string_lossy().into_owned())
    };
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_root_and_numbers_the_rest() {
        assert_eq!(super::user_of(0), "root");
        assert_eq!(super::user_of(u32::MAX - 7), format!("uid {}", u32::MAX - 7));
    }
}
