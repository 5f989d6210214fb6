//! The debug configurations of a project: `.vscode/launch.json` (JSON with comments) and `.idea` (XML).

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

/// No configuration file is longer than this.
const LONGEST_FILE: u64 = 4 << 20;

/// What a project's folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Whether it is a Go module.
    pub is_go: bool,
    /// Every configuration that connects to a port.
    pub configurations: Vec<Configuration>,
    /// Files that do not read, and why.
    pub problems: Vec<String>,
}

/// A configuration that connects to a debugger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configuration {
    /// Its file, below the project's folder.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Which client it starts.
    pub client: Client,
    /// The host, where it names one.
    pub host: Option<String>,
    /// The port, where it names one.
    pub port: Option<u16>,
}

/// The client that a configuration starts, as far as it decides which servers fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// VS Code, Go: attach, mode remote.
    GoRemoteAttach,
    /// VS Code, Go: launch, or another attach, through a `dlv dap` on a port.
    GoLaunchThroughDap,
    /// GoLand: Go Remote.
    GoLand,
    /// Node.js.
    Node,
    /// Chrome and its kin.
    Chrome,
    /// Python.
    Debugpy,
    /// Java.
    Java,
    /// gdb or lldb over the gdb remote protocol.
    Gdb,
    /// Ruby.
    Rdbg,
    /// Something else.
    Other,
}

impl Client {
    /// What it does, as a clause.
    pub fn words(self) -> &'static str {
        match self {
            Client::GoRemoteAttach => "VS Code attaches to a headless dlv",
            Client::GoLaunchThroughDap => "VS Code launches through a `dlv dap`",
            Client::GoLand => "GoLand speaks JSON-RPC with a headless dlv",
            Client::Node => "it debugs Node.js",
            Client::Chrome => "it debugs Chrome",
            Client::Debugpy => "it debugs Python",
            Client::Java => "it debugs Java",
            Client::Gdb => "it speaks the gdb remote protocol",
            Client::Rdbg => "it debugs Ruby",
            Client::Other => "it debugs something else",
        }
    }
}

/// Reads the configurations of the project in `folder`. A file that is not there is no problem.
pub fn collect(folder: &Path) -> Project {
    let mut project = Project { is_go: folder.join("go.mod").is_file(), ..Project::default() };
    let mut files = vec![folder.join(".vscode/launch.json"), folder.join(".idea/workspace.xml")];
    if let Ok(entries) = std::fs::read_dir(folder.join(".idea/runConfigurations")) {
        let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.sort();
        files.extend(
            found.into_iter().filter(|file| file.extension().is_some_and(|end| end == "xml")).take(256),
        );
    }
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let text = match read(&file) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(error) => {
                project.problems.push(format!("{name}: {error}"));
                continue;
            }
        };
        let parsed = if name.ends_with(".json") { launch_json(&name, &text) } else { idea_xml(&name, &text) };
        match parsed {
            Ok(found) => project.configurations.extend(found),
            Err(problem) => project.problems.push(format!("{name}: {problem}")),
        }
    }
    project
}

/// `None`: it is not there.
fn read(file: &Path) -> std::io::Result<Option<String>> {
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(data) if !data.is_file() => Err(std::io::Error::other("it is no file")),
        Ok(data) if data.len() > LONGEST_FILE => Err(std::io::Error::other("it is longer than 4 MiB")),
        Ok(_) => std::fs::read(file).map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

/// The configurations in a `launch.json` that connect to a port.
pub fn launch_json(file: &str, text: &str) -> Result<Vec<Configuration>, String> {
    let options = jsonc_parser::ParseOptions::default();
    let parsed: Option<Value> =
        jsonc_parser::parse_to_serde_value(text.trim_start_matches('\u{feff}'), &options)
            .map_err(|error| error.to_string())?;
    let all = parsed.as_ref().and_then(|value| value.get("configurations")).and_then(Value::as_array);
    Ok(all.into_iter().flatten().filter_map(|entry| launch_entry(file, entry)).collect())
}

fn launch_entry(file: &str, entry: &Value) -> Option<Configuration> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    // Some name host and port in one: "debugPort": "127.0.0.1:12345".
    let joined =
        ["debugPort", "miDebuggerServerAddress", "websocketAddress"].iter().find_map(|key| text(key));
    let (joined_host, joined_port) = match joined.and_then(|at| at.rsplit_once(':')) {
        Some((host, port)) => {
            let host = host.rsplit("//").next().unwrap_or(host).trim_matches(['[', ']']);
            (Some(host), port.split('/').next().and_then(|port| port.parse().ok()))
        }
        None => (None, joined.and_then(|port| port.parse().ok())),
    };
    let connect = entry.get("connect");
    let ports = ["port", "debugServer", "gdb-remote-port", "debugAdapterPort"];
    let port = ports.iter().find_map(|key| entry.get(key).and_then(number));
    let port = port.or_else(|| connect?.get("port").and_then(number)).or(joined_port)?;
    let hosts = ["host", "hostName", "address", "gdb-remote-hostname", "debugAdapterHostname"];
    let host = hosts.iter().find_map(|key| text(key));
    let host = host.or_else(|| connect?.get("host").and_then(Value::as_str)).or(joined_host);
    let client = match (text("type")?, text("request"), text("mode")) {
        ("go", Some("attach"), Some("remote")) => Client::GoRemoteAttach,
        ("go", ..) => Client::GoLaunchThroughDap,
        ("node" | "pwa-node", ..) => Client::Node,
        ("chrome" | "pwa-chrome" | "msedge" | "pwa-msedge", ..) => Client::Chrome,
        ("debugpy" | "python", ..) => Client::Debugpy,
        ("java", ..) => Client::Java,
        ("cppdbg" | "gdb" | "lldb", ..) => Client::Gdb,
        ("rdbg", ..) => Client::Rdbg,
        _ => Client::Other,
    };
    Some(Configuration {
        file: file.to_owned(),
        name: text("name").unwrap_or("unnamed").to_owned(),
        client,
        host: host.map(str::to_owned),
        port: Some(port),
    })
}

/// The configurations in an `.idea` file that connect to a port.
pub fn idea_xml(file: &str, text: &str) -> Result<Vec<Configuration>, String> {
    let document =
        roxmltree::Document::parse(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())?;
    let configurations = document.descendants().filter(|node| node.has_tag_name("configuration"));
    let read = |node: roxmltree::Node<'_, '_>| {
        let client = match node.attribute("type")? {
            "GoRemoteDebugConfigurationType" => Client::GoLand,
            "Remote" => Client::Java,
            "ChromiumRemoteDebugType" => Client::Chrome,
            "com.jetbrains.cidr.remote.gdbserver.type" | "CLion_Remote" => Client::Gdb,
            _ => return None,
        };
        let option = |names: [&str; 2]| -> Option<&str> {
            let options = || node.children().filter(|child| child.has_tag_name("option"));
            names.iter().find_map(|name| {
                let named = options().find(|child| child.attribute("name") == Some(*name));
                node.attribute(*name).or_else(|| named?.attribute("value"))
            })
        };
        Some(Configuration {
            file: file.to_owned(),
            name: node.attribute("name").unwrap_or("unnamed").to_owned(),
            client,
            host: option(["host", "HOST"]).map(str::to_owned),
            port: Some(option(["port", "PORT"])?.parse().ok()?),
        })
    };
    Ok(configurations.filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_json_with_comments() {
        let text = r#"{
            // Use IntelliSense
            "version": "0.2.0",
            "configurations": [
                { "name": "dlv", "type": "go", "request": "attach", "mode": "remote", "port": 2345, "host": "127.0.0.1" },
                { "name": "dap", "type": "go", "request": "launch", "mode": "debug", "port": "2346", },
                { "name": "py", "type": "debugpy", "request": "attach", "connect": { "host": "localhost", "port": 5678 } },
                { "name": "rb", "type": "rdbg", "request": "attach", "debugPort": "[::1]:12345" }, /* and */
                { "name": "local", "type": "go", "request": "launch", "mode": "auto" },
                { "name": "odd", "type": "go", "port": 70000 }, 7, null,
            ],
        }"#;
        let found: Vec<_> = launch_json("launch.json", text).unwrap();
        let short: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.client, c.host.as_deref(), c.port)).collect();
        assert_eq!(
            short,
            [
                ("dlv", Client::GoRemoteAttach, Some("127.0.0.1"), Some(2345)),
                ("dap", Client::GoLaunchThroughDap, None, Some(2346)),
                ("py", Client::Debugpy, Some("localhost"), Some(5678)),
                ("rb", Client::Rdbg, Some("::1"), Some(12345)),
            ]
        );
        assert!(launch_json("launch.json", "{ \"configurations\": [").is_err());
        assert_eq!(launch_json("launch.json", "").unwrap(), []);
    }

    #[test]
    fn the_files_of_idea() {
        let text = r#"<component name="ProjectRunConfigurationManager">
            <configuration default="false" name="Go Remote" type="GoRemoteDebugConfigurationType" factoryName="Go Remote" port="2345" host="localhost"/>
            <configuration name="JVM" type="Remote"><option name="HOST" value="127.0.0.1"/><option name="PORT" value="5005"/></configuration>
            <configuration name="Build" type="GoApplicationRunConfiguration"/>
        </component>"#;
        let found = idea_xml("x.xml", text).unwrap();
        let short: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.client, c.host.as_deref(), c.port)).collect();
        assert_eq!(
            short,
            [
                ("Go Remote", Client::GoLand, Some("localhost"), Some(2345)),
                ("JVM", Client::Java, Some("127.0.0.1"), Some(5005)),
            ]
        );
        assert!(idea_xml("x.xml", "<component>").is_err());
    }

    #[test]
    fn a_folder_without_files_and_one_with_broken_ones() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(collect(folder.path()), Project::default());
        std::fs::create_dir_all(folder.path().join(".vscode")).unwrap();
        std::fs::create_dir_all(folder.path().join(".idea/runConfigurations/odd.xml")).unwrap();
        std::fs::write(folder.path().join(".vscode/launch.json"), [0xff, 0xfe, 0]).unwrap();
        std::fs::write(folder.path().join("go.mod"), "module x").unwrap();
        let project = collect(folder.path());
        assert!(project.is_go);
        assert_eq!(project.problems.len(), 2, "{:?}", project.problems);
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in "[\\[\\]{}\",:a-z0-9<>/= ]{0,80}") {
            let _ = launch_json("x", &text);
            let _ = idea_xml("x", &text);
        }
    }
}
