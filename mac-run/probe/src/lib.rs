//! What programs rely on when they are built for macOS, asked from their side: numbers, layouts and manners of the system.
//! Every test holds on a Mac too; where a Mac is played, they hold the player to it.

#![cfg(target_os = "macos")]

#[cfg(test)]
mod files;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod system;
#[cfg(test)]
mod threads;

/// A directory of one's own, removed with the test.
#[cfg(test)]
struct Folder(std::path::PathBuf);

#[cfg(test)]
impl Folder {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("probe.{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

#[cfg(test)]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs one test of this program in a process of its own, with `PROBE` set.
#[cfg(test)]
fn again(test: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("PROBE", test);
    command
}

#[cfg(test)]
fn is_again(test: &str) -> bool {
    std::env::var("PROBE").is_ok_and(|probe| probe == test)
}
