//! The root helper: one request in, one answer out.

fn main() -> std::process::ExitCode {
    portcullis::root::helper::main(std::env::args_os().skip(1))
}
