//! Metro, the bundler of React Native: its server brings app and debugger together.

use super::command_line::CommandLine;
use super::debugger::{Debugger, Mode, Probe, Server};
use super::settings::{ConnectTarget, Setting};

pub static DEBUGGER: Debugger = Debugger {
    name: "metro",
    title: "Metro (React Native)",
    protocol: "http",
    bind: "*",
    recognise,
    modes: &[&SERVER],
    usual_mode: &SERVER,
    ..Debugger::UNKNOWN
};

pub static SERVER: Mode = Mode {
    id: "metro",
    title: "Metro (React Native)",
    protocol: "http",
    probe: Probe::Refused("what a connection does to it was not measured"),
    settings: |ConnectTarget { port, .. }| {
        let step = format!(
            "Press j in the terminal of the Metro that has port {port}; the app must be loaded from it"
        );
        vec![Setting::steps("React Native DevTools", step)]
    },
    ..Mode::UNKNOWN
};

/// `react-native start`, `expo start`, `metro serve`: scripts of node's.
fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    line.port?;
    let script = line.own.first().copied()?;
    let runs = |name: &str| script.rsplit('/').next() == Some(name) || script.contains(&format!("/{name}/"));
    let is_started = line.has_word("start");
    let is_metro = runs("metro") || (is_started && (runs("react-native") || runs("expo")));
    (line.program_is(&["node"]) && is_metro).then(|| Server::new(&SERVER))
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, is_one) in [
            ("node /app/node_modules/.bin/react-native start", true),
            ("node /app/node_modules/react-native/cli.js start --port 8082", true),
            ("node /app/node_modules/.bin/expo start", true),
            ("node /app/node_modules/metro/src/cli.js serve", true),
            ("node cli.js start", false),
            ("node /app/node_modules/.bin/expo export", false),
        ] {
            let mode = of_line(line, Some(8081)).map(|server| server.mode.id);
            assert_eq!(mode == Some("metro"), is_one, "{line}");
        }
    }
}
