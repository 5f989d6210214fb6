//! The tasks of VS Code that start a dlv: one that is mistaken ends at once, so it is never seen running.

use serde_json::Value;

use crate::pf::recipes::shell;
use crate::sockets::redact;

/// A task that starts a dlv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DlvTask {
    /// Its file, below the project's folder.
    pub file: String,
    /// Its label.
    pub name: String,
    /// The command line of its dlv, secrets taken out.
    pub arguments: Vec<String>,
}

/// The tasks in a `tasks.json`, or in the `tasks` of a `.code-workspace`, that start a dlv.
pub fn tasks(file: &str, json: &Value) -> Vec<DlvTask> {
    let tasks = json.get("tasks").map(|tasks| tasks.get("tasks").unwrap_or(tasks));
    // Zed's are a list.
    let tasks = tasks.or(json.is_array().then_some(json));
    tasks.and_then(Value::as_array).into_iter().flatten().filter_map(|task| of_entry(file, task)).collect()
}

fn of_entry(file: &str, task: &Value) -> Option<DlvTask> {
    let system = task.get(if cfg!(target_os = "macos") { "osx" } else { "linux" });
    let get = |key: &str| system.and_then(|system| system.get(key)).or_else(|| task.get(key));
    // A word may be written with how it is to be quoted: { "value": "x", "quoting": "strong" }.
    let word = |value: &Value| value.as_str().or_else(|| value.get("value")?.as_str()).map(str::to_owned);
    let mut commands = shell::commands(&word(get("command")?)?);
    let given = get("args").and_then(Value::as_array).into_iter().flatten().filter_map(word);
    commands.last_mut()?.extend(given);
    Some(DlvTask {
        file: file.to_owned(),
        name: get("label")
            .or_else(|| get("taskName"))
            .and_then(Value::as_str)
            .unwrap_or("unnamed")
            .to_owned(),
        arguments: redact(commands.iter().find_map(|words| dlv_in(words))?),
    })
}

/// The command line of the dlv that a command starts.
fn dlv_in(words: &[String]) -> Option<Vec<String>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = shell::without_prefix(&words);
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    match (shell::base_name(words.first()?), words) {
        ("dlv" | "dlv-dap", _) => Some(owned(words)),
        // `go run github.com/go-delve/delve/cmd/dlv@latest …`
        ("go", [_, "run", rest @ ..]) => {
            let is_dlv = |word: &&str| word.split('@').next().is_some_and(|path| path.ends_with("/dlv"));
            let at = rest.iter().position(is_dlv)?;
            Some([vec!["dlv".to_owned()], owned(rest.get(at + 1..)?)].concat())
        }
        ("sh" | "bash" | "zsh", _) => {
            let at = words.iter().position(|word| word.starts_with('-') && word.ends_with('c'))?;
            shell::commands(words.get(at + 1)?).iter().find_map(|words| dlv_in(words))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_that_start_a_dlv() {
        let text = r#"{ // tasks
            "version": "2.0.0",
            "tasks": [
                { "label": "one line", "type": "shell", "command": "dlv debug --headless --listen=2345" },
                { "label": "words", "command": "/opt/bin/dlv", "args": ["dap", { "value": "-l=:1", "quoting": "strong" }] },
                { "label": "build", "command": "go build" }, { "label": "none" }, 7,
            ],
        }"#;
        let read = |text: &str| {
            let options = jsonc_parser::ParseOptions::default();
            jsonc_parser::parse_to_serde_value::<Value>(text, &options).unwrap()
        };
        let found = tasks("tasks.json", &read(text));
        let short: Vec<_> = found.iter().map(|task| (task.name.as_str(), task.arguments.join(" "))).collect();
        let expected = [
            ("one line", "dlv debug --headless --listen=2345".to_owned()),
            ("words", "/opt/bin/dlv dap -l=:1".to_owned()),
        ];
        assert_eq!(short, expected);
        assert_eq!(
            tasks("x.code-workspace", &read(&format!(r#"{{ "tasks": {text} }}"#))),
            tasks("x.code-workspace", &read(text))
        );
    }

    #[test]
    fn a_dlv_is_found_anywhere_in_a_line() {
        let of = |command: &str| {
            let found =
                tasks("x", &serde_json::json!({ "tasks": [{ "command": command, "args": ["-l=:1"] }] }));
            found.first().map(|task| task.arguments.join(" "))
        };
        for command in [
            "cd svc && dlv dap",
            "GOFLAGS=-mod=mod dlv dap",
            "sudo -E dlv dap",
            "go run github.com/go-delve/delve/cmd/dlv@latest dap",
            "env A=1 go run -mod=mod github.com/go-delve/delve/cmd/dlv dap",
            "make; exec dlv dap",
        ] {
            assert_eq!(of(command).as_deref(), Some("dlv dap -l=:1"), "{command}");
        }
        assert_eq!(of("dlv-dap dap").as_deref(), Some("dlv-dap dap -l=:1"));
        assert_eq!(of("/opt/go/bin/dlv-dap dap").as_deref(), Some("/opt/go/bin/dlv-dap dap -l=:1"));
        assert_eq!(of("bash -lc 'cd x && dlv dap'").as_deref(), Some("dlv dap"));
        for command in ["echo dlv", "go build ./cmd/dlv", "grep dlv x", ""] {
            assert_eq!(of(command), None, "{command}");
        }
    }
}
