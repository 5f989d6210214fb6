//! Keeps a debug build of the lab's helper small: the app hashes it before every prompt, and the prompt copies it and
//! hashes it again. Six parts in seven of it would be debug information and symbols, and the tests open hundreds of prompts.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bin=helper-lab=-Wl,--strip-all");
    }
}
