//! Whether a shared library is here.

/// Whether the dynamic linker finds the library of this name, such as `libfoo.so.1`. It is loaded for the question,
/// as the one who then uses it would load it.
#[allow(unsafe_code)]
pub fn is_installed(name: &str) -> bool {
    // SAFETY: loading runs the library's initialisers. It is asked of libraries that this program is about to load
    // and use anyway, by their fixed names, and before there is a second thread.
    unsafe { libloading::Library::new(name) }.is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn tells_what_is_here() {
        assert!(super::is_installed("libc.so.6"));
        assert!(!super::is_installed("libportcullis-is-no-library.so.1"));
    }
}
