//! Portcullis: the tray, or the command line.

fn main() -> std::process::ExitCode {
    portcullis::cli::main()
}
