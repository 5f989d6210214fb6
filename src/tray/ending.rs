//! The end that others ask for: a signal, as at the logout.

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Calls `ended` at each TERM, INT or HUP, on a thread of its own. Where that cannot be had a signal ends the process as it
/// would any other: the prompt ends with it, and an empty folder stays behind.
pub fn on_signals(ended: impl Fn() + Send + 'static) {
    let Ok((mut signalled, pipe)) = UnixStream::pair() else { return };
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let Ok(pipe) = pipe.try_clone() else { return };
        // It fails only for a signal that no process may catch.
        let _ = signal_hook::low_level::pipe::register(signal, pipe);
    }
    std::thread::spawn(move || {
        while signalled.read_exact(&mut [0]).is_ok() {
            ended();
        }
    });
}
