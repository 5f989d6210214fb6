//! Cases with servers: each runs in a network and a process namespace of its own, where stand-ins for the servers listen,
//! so that no port of this machine is touched and none of its processes is seen.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A script runs in namespaces of its own.
pub struct Namespaces {
    options: &'static [&'static str],
    /// The stand-in, which goes by any name.
    listener: PathBuf,
}

impl Namespaces {
    /// `None` where this user may have none, or where there is no compiler for the stand-in.
    pub fn new() -> Option<Self> {
        let as_root = ["-n", "-p", "-f", "--mount-proc"].as_slice();
        let as_user = ["-r", "-n", "-p", "-f", "--mount-proc"].as_slice();
        let works = |options: &&[&str]| {
            let tried =
                Command::new("unshare").args(*options).args(["ip", "link", "set", "lo", "up"]).output();
            tried.is_ok_and(|output| output.status.success())
        };
        let options = [as_root, as_user].into_iter().find(works)?;
        let listener =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("listener-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/listener.rs");
        let built =
            Command::new("rustc").args(["--edition", "2024", "-O", "-o"]).arg(&listener).arg(source).output();
        built.is_ok_and(|output| output.status.success()).then_some(Namespaces { options, listener })
    }

    /// What the last line of `lines` prints, behind the servers of the case. `bin` is where they are put.
    pub fn run(&self, folder: &Path, listeners: &Value, lines: &[String]) -> Output {
        let mut script = vec![
            "ip link set lo up; ip addr add 192.168.1.1/24 dev lo".to_owned(),
            format!("mkfifo {}", quoted(folder.join("ready").to_str().unwrap())),
            format!("cd {}; PATH=$PWD HOME=$PWD; export PATH HOME", quoted(folder.to_str().unwrap())),
        ];
        script.extend(
            listeners.as_array().into_iter().flatten().map(|listener| self.started(folder, listener)),
        );
        script.extend(lines.iter().cloned());
        let file = folder.join("script");
        std::fs::write(&file, script.join("\n") + "\n").unwrap();
        Command::new("unshare").args(self.options).arg("/bin/sh").arg(file).output().unwrap()
    }

    /// Starts a server, and goes on once it listens.
    fn started(&self, folder: &Path, listener: &Value) -> String {
        let text = |name: &str| listener[name].as_str().unwrap();
        let program = folder.join("bin").join(text("name"));
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        // Another of the same name runs the same file.
        if !program.exists() {
            let place = std::fs::hard_link(&self.listener, &program);
            place.or_else(|_| std::fs::copy(&self.listener, &program).map(drop)).unwrap();
        }
        let address = text("address");
        let place = match address {
            // It runs, and listens nowhere.
            "" => String::new(),
            six if six.contains(':') => format!("[{six}]:{}", listener["port"]),
            four => format!("{four}:{}", listener["port"]),
        };
        let set = listener["env"].as_object().into_iter().flatten();
        let set: Vec<String> =
            set.map(|(name, value)| format!("{name}={}", quoted(value.as_str().unwrap()))).collect();
        let words = listener["argv"].as_array().into_iter().flatten();
        let words: Vec<String> = words.map(|word| quoted(word.as_str().unwrap())).collect();
        format!(
            "LISTEN={place} {} {} {} >ready & read -r line <ready",
            set.join(" "),
            quoted(program.to_str().unwrap()),
            words.join(" ")
        )
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.listener);
    }
}

/// A text as one word of the shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
