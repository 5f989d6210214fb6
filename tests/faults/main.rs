//! A change that cannot hurt: every call of the helper that matters fails once, and what the next helper makes of it is
//! held against the documents.
//!
//! `make faults` tries everything, `FAULTS_SAMPLE=N` a sample of N faults that is always the same, and `POINT=…` the points
//! whose names begin so. The last line is `points N, torn 0, disagree 0, leaked 0, foreign 0, lies 0`; a point is one call
//! in one scenario, at which several things go wrong one by one. `POINT=planted` swaps files for links, pipes and the like
//! at each call instead: `planted N, astray 0, hung 0, open 0`. As a part of `cargo test` only the oracle's own laws
//! are tried. Linux alone: calls are held up by seccomp.

#[cfg(target_os = "linux")]
mod call;
#[cfg(target_os = "linux")]
mod direct;
#[cfg(target_os = "linux")]
mod helper;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod inject;
#[cfg(target_os = "linux")]
mod intent;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod pf;
#[cfg(target_os = "linux")]
mod planted;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod stand_in;
#[cfg(target_os = "linux")]
mod together;
#[cfg(target_os = "linux")]
mod trial;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("faults: nothing is tried here: calls are held up by seccomp, which Linux alone has");
}
