//! Real debug servers, watched at full rate, and none of them harmed.
//!
//! Starts every server that is installed, looks at its port with everything that Portcullis has for
//! `PORTCULLIS_DEBUGGERS_SECONDS` (`make debuggers` takes 30), then lets its real client in: a server that does not serve
//! it was harmed, if its control, started the same way and never looked at, serves its own. Without that variable it is
//! quick: every command looks once, and is given one of the ports. While the client is there the port must show as in
//! session. Then every other state is provoked with a real server.
//!
//! The last line counts: `servers N, skipped S, harmed H`. A server that is not installed, or that cannot serve here, is
//! skipped, and why is said; where `PORTCULLIS_DEBUGGERS_LEAST` is set, fewer servers than that fail.

mod clients;
mod commands;
mod recipes;
mod states;
mod tray;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clients::{Problem, Session};
use commands::{Commands, Traces, forgotten, is_harmless_to_ask};
use portcullis::debuggers::classify::PortExpectation;
use portcullis::debuggers::port_view::PortView;
use portcullis::debuggers::{gdbserver, may_linger, probe};

use portcullis::diagnosis::{Answer, AppFirewallEffect, Reachability};
use portcullis::pf::origin::{Both, PerOrigin};
use portcullis::port::PortRange;
use portcullis::sockets;
use recipes::Running;
use tray::Screen;

fn main() -> ExitCode {
    // libtest's listing, which editors and runners ask of every test binary.
    if std::env::args().any(|argument| argument == "--list") {
        println!("debuggers: test");
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, ports @ ..] = &arguments[..]
        && ["look", "probe", "owner"].contains(&mode.as_str())
    {
        return look(mode, ports.iter().filter_map(|port| port.parse().ok()));
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let seconds = number("PORTCULLIS_DEBUGGERS_SECONDS").map(|seconds| Duration::from_secs(seconds.into()));
    let least = number("PORTCULLIS_DEBUGGERS_LEAST").unwrap_or(0);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let (running, mut skipped) = recipes::start_all(folder.path());
    // The ports that the commands are given, one by one.
    let given = match seconds {
        Some(_) => &running[..],
        None => running.get(..1).unwrap_or_default(),
    };
    let screen = Screen::new(folder.path(), &running);
    if let Err(why) = &screen {
        println!("{:<28} skipped: {why}", "the tray");
    }
    let screen = screen.ok();
    watch(&running, given, screen.as_ref(), seconds.unwrap_or_default(), folder.path());
    let mut wrong = touched(&running, given, screen.as_ref(), folder.path(), least > 0);

    let mut servers = running.len();
    let mut harmed = 0;
    let commands = Commands::new(folder.path(), "clients");
    commands.run(&["status".to_owned(), "--check".to_owned()]);
    for server in running {
        let name = server.name;
        match validate(server, &commands, folder.path()) {
            Ok(words) => println!("{name:<28} unharmed: {words}"),
            Err(problem) => match control(name, folder.path()) {
                Ok(words) => {
                    harmed += 1;
                    println!("{name:<28} HARMED: {problem}; its control, not looked at: {words}");
                }
                Err(why) => {
                    servers -= 1;
                    skipped += 1;
                    println!("{name:<28} skipped: it cannot serve here: {problem}; its control: {why}");
                }
            },
        }
    }
    wrong += states::provoke(folder.path());
    if servers < usize::try_from(least).unwrap_or(usize::MAX) {
        println!("WRONG: {least} servers were to be here; install them: scripts/setup.sh debuggers");
        wrong += 1;
    }
    println!("servers {servers}, skipped {skipped}, harmed {harmed}");
    if harmed == 0 && wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything that looks, over and over, on all servers and at the same time: the library in one thread, every command
/// in two others, and the tray.
fn watch(running: &[Running], given: &[Running], screen: Option<&Screen>, seconds: Duration, folder: &Path) {
    let start = Instant::now();
    let passes = AtomicU64::new(0);
    let runs = AtomicU64::new(0);
    let is_over = || start.elapsed() >= seconds;
    std::thread::scope(|scope| {
        scope.spawn(|| look_over_and_over(running, &is_over, &passes));
        scope.spawn(|| screen.iter().for_each(|screen| screen.look_over_and_over(&is_over)));
        // Quick, each command looks once.
        let names: &[&str] = if seconds.is_zero() { &["one"] } else { &["one", "another"] };
        for name in names {
            let (runs, is_over) = (&runs, &is_over);
            scope.spawn(move || run_over_and_over(given, is_over, runs, &Commands::new(folder, name), name));
        }
    });
    println!(
        "{} servers looked at {} times in {:.0?}, by {} commands{}",
        running.len(),
        passes.load(Ordering::Relaxed),
        start.elapsed(),
        runs.load(Ordering::Relaxed),
        if screen.is_some() { ", and by the tray all the while" } else { "" },
    );
}

fn look_over_and_over(running: &[Running], is_over: &dyn Fn() -> bool, passes: &AtomicU64) {
    let ports: Vec<PortRange> = running.iter().filter_map(|server| PortRange::single(server.port)).collect();
    let mut earlier = sockets::read(&ports).expect("the socket table");
    let mut first = true;
    while first || !is_over() {
        let now = sockets::read(&ports).expect("the socket table");
        let processes = sockets::processes(may_linger).expect("the processes");
        for server in running {
            let view = PortView::of(PortExpectation::usual(server.port), &now, Some(&earlier), &processes);
            // Its client finds, and counts, one that was harmed.
            if view.listeners.is_empty() {
                continue;
            }
            let said = view.assess(open_pf(), AppFirewallEffect::Off);
            let mode = view.server.as_ref().map(|server| server.mode);
            assert_eq!(mode, Some(server.mode), "{}: {view:?}", server.name);
            // gdbserver listens on every address, whatever host it is given. A server is in session while it is probed.
            let harmless = is_harmless_to_ask(server.mode);
            let everywhere = server.mode == &gdbserver::STUB;
            let expected = if everywhere { Reachability::Reachable } else { Reachability::LoopbackOnly };
            assert!(said.state == expected || harmless, "{}: {said:?}", server.name);
            if first || !harmless {
                let answer = probe::probe(server.port);
                assert_eq!(answer.is_ok(), harmless, "{}: {answer:?}", server.name);
            }
        }
        earlier = now;
        first = false;
        passes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs every command at least once, the general ones between those for each port.
fn run_over_and_over(
    given: &[Running],
    is_over: &dyn Fn() -> bool,
    runs: &AtomicU64,
    commands: &Commands,
    name: &str,
) {
    // Two that begin at different ends seldom do the same at the same time.
    let mut servers: Vec<&Running> = given.iter().collect();
    if name == "another" {
        servers.reverse();
    }
    let run = |line: &Vec<String>| {
        commands.run(line);
        runs.fetch_add(1, Ordering::Relaxed);
    };
    let of_ports = servers.iter().flat_map(|server| commands.of_port(server));
    let all: Vec<Vec<String>> = commands.general().into_iter().chain(of_ports).collect();
    if !servers.is_empty() {
        // `probe` is among those of a server that it does harm.
        let mut forgotten = forgotten(&all);
        forgotten
            .retain(|name| name != "probe" || servers.iter().any(|server| !is_harmless_to_ask(server.mode)));
        assert!(forgotten.is_empty(), "no server is looked at by {forgotten:?}");
    }
    let mut first = true;
    while first || !is_over() {
        for line in all.iter().take_while(|_| first || !is_over()) {
            run(line);
        }
        first = false;
    }
}

/// Whether anything of ours names the port of a server in a connect, bind or send; 1 where something does. To show that
/// this would be seen, the probe of a server that is not harmed by it is traced too.
fn touched(
    running: &[Running],
    given: &[Running],
    screen: Option<&Screen>,
    folder: &Path,
    is_needed: bool,
) -> usize {
    let mut traces = match Traces::new(folder) {
        Ok(traces) => traces,
        Err(why) => {
            println!("strace: skipped: {why}");
            return usize::from(is_needed);
        }
    };
    let me = std::env::current_exe().expect("this program");
    let mode = |mode: &str, ports: &[u16]| -> Vec<String> {
        std::iter::once(mode.to_owned()).chain(ports.iter().map(u16::to_string)).collect()
    };
    for harmless in running.iter().filter(|server| is_harmless_to_ask(server.mode)) {
        // A probe is refused where the listener changes hands meanwhile, as Chrome's may while Chrome starts a child.
        let is_seen = (0..5).any(|_| {
            traces.watch(&me, &mode("probe", &[harmless.port]), &[harmless.port]);
            std::mem::take(&mut traces.touching).iter().any(|line| line.contains("connect("))
        });
        assert!(is_seen, "{}: the probe's connect is not seen", harmless.name);
    }
    let ports: Vec<u16> = running.iter().map(|server| server.port).collect();
    traces.watch(&me, &mode("look", &ports), &ports);
    let commands = Commands::new(folder, "traced");
    let of_ports = given.iter().flat_map(|server| commands.of_port(server));
    for line in commands.general().into_iter().chain(of_ports) {
        traces.watch_command(&commands, &line, &ports);
    }
    screen.iter().for_each(|screen| screen.trace(&mut traces, &ports));
    let Traces { runs, touching, .. } = traces;
    let tray = if screen.is_some() { ", the tray's among them" } else { "" };
    println!(
        "strace: {runs} runs{tray}, and {} connects, binds or sends to one of the ports",
        touching.len()
    );
    touching.iter().for_each(|line| println!("    {line}"));
    usize::from(!touching.is_empty())
}

/// The server still waits, then serves its real client, and meanwhile the port shows as in session.
fn validate(mut server: Running, commands: &Commands, folder: &Path) -> Result<String, String> {
    if let Ok(Some(status)) = server.child.try_wait() {
        return Err(format!("it has ended with {status}"));
    }
    let waiting = if server.mode == &gdbserver::STUB { "reachable" } else { "loopback-only" };
    states::wait_for(commands, server.port, waiting)?;
    let (session, words) = match server.client.connect(&server, folder) {
        Ok(connected) => connected,
        Err(Problem::Unserved(problem)) => return Err(problem),
        Err(Problem::Missing(what)) => return Ok(format!("it still waits ({what})")),
    };
    let sentence = states::wait_for(commands, server.port, "in-session")?;
    match session {
        Session::Program(talk) => drop(talk),
        Session::Editor(stream) => drop(stream),
    }
    Ok(format!("{words}; {sentence}"))
}

/// Starts a server the same way, and lets its real client in while nothing looks. Errors: it does not serve it, so that
/// nothing can be said of one that was looked at. Only a server that fails needs its control.
fn control(name: &str, folder: &Path) -> Result<String, String> {
    let recipes = recipes::recipes(folder);
    let recipe = recipes.iter().find(|recipe| recipe.name == name).expect("the recipe of a server that ran");
    let mut server = recipe.start_on(recipes::free_port())?;
    match server.client.connect(&server, folder) {
        Ok((_session, words)) => Ok(words),
        Err(Problem::Unserved(problem)) => Err(problem),
        Err(Problem::Missing(what)) => match server.child.try_wait() {
            Ok(Some(status)) => Err(format!("it has ended with {status}")),
            _ => Ok(format!("it still waits ({what})")),
        },
    }
}

/// What a child of ours does: look at the ports, ask them, or say whose they are.
fn look(mode: &str, ports: impl Iterator<Item = u16>) -> ExitCode {
    let ports: Vec<u16> = ports.collect();
    let watched: Vec<PortRange> = ports.iter().filter_map(|port| PortRange::single(*port)).collect();
    let table = sockets::read(&watched).expect("the socket table");
    let processes = sockets::processes(may_linger).expect("the processes");
    for port in ports {
        let said = PortView::of(PortExpectation::usual(port), &table, Some(&table), &processes)
            .assess(open_pf(), AppFirewallEffect::Off);
        assert!(!said.sentence.is_empty());
        if mode == "probe" {
            let _ = probe::probe(port);
        }
        if mode == "owner" {
            table.listeners_on(port).for_each(|socket| println!("{}", socket.owner));
        }
    }
    ExitCode::SUCCESS
}

fn table(port: u16) -> sockets::SocketTable {
    let watched: Vec<PortRange> = PortRange::single(port).into_iter().collect();
    sockets::read(&watched).expect("the socket table")
}

fn open_pf() -> PerOrigin<Both<Answer>> {
    PerOrigin::same(Both::same(Answer::Yes))
}
