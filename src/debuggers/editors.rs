//! Editors, which may listen themselves: for a program that dials its debugger, or to forward a port.

use super::command_line::CommandLine;
use super::debugger::EditorClient;
use crate::sockets::Process;

/// `debugServer`: VS Code speaks with an adapter that runs already, whatever that debugs.
pub static ADAPTER_CLIENT: EditorClient = EditorClient {
    does: "it speaks the debug adapter protocol",
    speaks: |mode| mode.protocol == "dap",
    ..EditorClient::UNKNOWN
};

/// On Linux an editor of JetBrains may run as a java of its own.
const JETBRAINS: [&str; 10] = [
    "idea",
    "phpstorm",
    "pycharm",
    "goland",
    "webstorm",
    "clion",
    "rubymine",
    "rider",
    "rustrover",
    "studio",
];

/// Their helpers listen for the extensions.
const VSCODE: [&str; 16] = [
    "code",
    "code helper",
    "code helper (plugin)",
    "code - insiders",
    "code - insiders helper (plugin)",
    "code-insiders",
    "code-tunnel",
    "code-server",
    "codium",
    "vscodium",
    "vscodium helper (plugin)",
    "cursor",
    "cursor helper (plugin)",
    "kiro",
    "windsurf",
    "windsurf helper (plugin)",
];

/// Whether it is an IDE of JetBrains.
pub fn is_jetbrains(line: &CommandLine<'_>) -> bool {
    let path = line.path.to_ascii_lowercase();
    let is_its_java = || JETBRAINS.iter().any(|name| path.contains(&format!("/{name}")));
    line.program_is(&JETBRAINS) || (line.program_is(&["java"]) && is_its_java())
}

/// Whether it is VS Code, or an editor made of it.
pub fn is_vscode(line: &CommandLine<'_>) -> bool {
    line.program_is(&VSCODE)
}

/// Whether a process of the socket table is an editor that can wait for the program that it debugs.
pub fn is_editor(process: &Process) -> bool {
    let line = CommandLine::of(process);
    is_jetbrains(&line) || is_vscode(&line) || line.program_is(&["electron", "netbeans", "eclipse"])
}
