//! One entry of VS Code's launch.json, as the debuggers recognise their clients in it.

use serde_json::Value;

/// A configuration in a `launch.json`. What it says for this system alone (`"osx": { … }`) takes precedence.
pub struct LaunchEntry<'a> {
    entry: &'a Value,
    system: Option<&'a Value>,
}

/// What a debugger makes of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchMatch {
    /// It is for another debugger.
    Other,
    /// It starts the debugger itself: it connects to no port that must be open.
    StartsServer,
    /// It connects to a debugger that runs already.
    Connects {
        /// The port that it takes where it names none.
        default_port: Option<u16>,
    },
}

impl<'a> LaunchEntry<'a> {
    pub fn new(entry: &'a Value) -> Self {
        let system = entry.get(if cfg!(target_os = "macos") { "osx" } else { "linux" });
        LaunchEntry { entry, system }
    }

    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.system.and_then(|system| system.get(key)).or_else(|| self.entry.get(key))
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    /// Whether its `type` is one of these.
    pub fn is_type(&self, types: &[&str]) -> bool {
        self.text("type").is_some_and(|found| types.contains(&found))
    }

    pub fn attaches(&self) -> bool {
        self.text("request") == Some("attach")
    }

    /// Of an adapter that starts the server on the port it names, unless it attaches: what the entry does.
    pub fn connects_if_it_attaches(&self, default_port: Option<u16>) -> LaunchMatch {
        if self.attaches() { LaunchMatch::Connects { default_port } } else { LaunchMatch::StartsServer }
    }
}
