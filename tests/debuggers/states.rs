//! Each state that a port can be in, provoked with a real server, as `portcullis doctor --json` shows it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::debuggers::forwarders;

use crate::commands::Commands;
use crate::recipes::{Recipe, Running, find, free_port, recipes};
use crate::table;

/// How long a state may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// Provokes the states that a server is not in by itself, and gives the number of those that were not recognised.
/// (`in-session` is judged while the real clients are there, `loopback-only` and `reachable` while the servers wait.)
pub fn provoke(folder: &Path) -> usize {
    let commands = Commands::new(folder, "states");
    commands.run(&["status".to_owned(), "--check".to_owned()]);
    let all = recipes(folder);
    let start = |name: &str| {
        let recipe: Option<&Recipe> = all.iter().find(|recipe| recipe.name == name);
        recipe.map_or_else(|| Err("no such recipe".to_owned()), Recipe::start)
    };
    let trials: [(&str, &str, Trial); 7] = [
        ("no-listener", "no listener", Box::new(|| Ok((free_port(), vec![])))),
        (
            "bricked",
            "dlv headless after nc",
            Box::new(|| {
                let server = start("dlv headless")?;
                drop(TcpStream::connect(("127.0.0.1", server.port)));
                Ok((server.port, vec![server.into()]))
            }),
        ),
        ("wedged", "dlv dap that was stopped", Box::new(|| stopped(start("dlv dap")?))),
        ("wedged", "debugpy that was stopped", Box::new(|| stopped(start("debugpy")?))),
        (
            "wrong-family",
            "node on ::1",
            Box::new(|| {
                let port = free_port();
                let mut command = Command::new(find(&["node"]).ok_or("no node")?);
                command.arg(format!("--inspect=[::1]:{port}")).args(["-e", "setTimeout(() => {}, 1e6)"]);
                Ok((port, vec![Held::start(&mut command)?]))
            }),
        ),
        (
            "forwarded",
            "socat before gdbserver",
            Box::new(|| {
                let server = start("gdbserver")?;
                let port = free_port();
                let mut command = Command::new(find(&["socat"]).ok_or("no socat")?);
                command.arg(format!("TCP-LISTEN:{port},fork,bind=127.0.0.1"));
                command.arg(format!("TCP:127.0.0.1:{}", server.port));
                Ok((port, vec![Held::start(&mut command)?, server.into()]))
            }),
        ),
        (
            "blocked-by-pf",
            "gdbserver behind the guard",
            Box::new(|| {
                let server = start("gdbserver")?;
                let port = server.port.to_string();
                for line in [&["guard", "on"][..], &["open", &port, "--from", "any"], &["close", &port]] {
                    commands.run(&line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
                }
                Ok((server.port, vec![server.into()]))
            }),
        ),
    ];
    let mut wrong = 0;
    for (state, name, trial) in trials {
        match trial() {
            Err(problem) => println!("{name:<28} skipped: {problem}"),
            Ok((port, _held)) => match wait_for(&commands, port, state) {
                Ok(sentence) => println!("{name:<28} shows as {state}: {sentence}"),
                Err(problem) => {
                    println!("{name:<28} WRONG: {problem}");
                    wrong += 1;
                }
            },
        }
    }
    wrong + owner_seen_by_another()
}

/// Brings about a state: the port that is in it, and what has to stay alive for that.
type Trial<'a> = Box<dyn Fn() -> Result<(u16, Vec<Held>), String> + 'a>;

/// What ends when it is dropped.
#[expect(dead_code, reason = "held for what its end does")]
enum Held {
    Server(Running),
    Client(TcpStream),
    Stopped(Stopped),
}

/// A process that was stopped: it has to be ended by name, since it may be in another group.
struct Stopped(u32);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}

impl From<Running> for Held {
    fn from(server: Running) -> Held {
        Held::Server(server)
    }
}

impl Held {
    fn start(command: &mut Command) -> Result<Held, String> {
        use std::os::unix::process::CommandExt;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| format!("does not start: {error}"))?;
        let (name, mode, client) = ("", &forwarders::PROXY, crate::clients::Client::Gdb);
        Ok(Held::Server(Running { name, mode, client, port: 0, child }))
    }
}

/// A server that runs no more, and a client that waits for it.
fn stopped(server: Running) -> Result<(u16, Vec<Held>), String> {
    // The one that listens: debugpy's adapter is none of its group.
    let owner = table(server.port).listeners_on(server.port).find_map(|socket| socket.pid());
    let owner = owner.ok_or("no owner")?;
    Command::new("kill").args(["-STOP", &owner.to_string()]).status().map_err(|error| error.to_string())?;
    let stopped = Stopped(owner);
    // Until it has stopped it may still accept.
    let has_stopped =
        || std::fs::read_to_string(format!("/proc/{owner}/stat")).is_ok_and(|stat| stat.contains(") T "));
    let start = Instant::now();
    while !has_stopped() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let client = TcpStream::connect(("127.0.0.1", server.port)).map_err(|error| error.to_string())?;
    Ok((server.port, vec![Held::Client(client), Held::Stopped(stopped), server.into()]))
}

/// Looks until the port shows as `state`; gives the sentence.
pub fn wait_for(commands: &Commands, port: u16, state: &str) -> Result<String, String> {
    let start = Instant::now();
    loop {
        let said = commands.doctor(port);
        let sentence = said["sentence"].as_str().unwrap_or_default().to_owned();
        if said["state"] == state {
            return Ok(sentence);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("shows as {}, not as {state}: {sentence}", said["state"]));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Another user's listener is in the table, without its process. Only root can try it; gives 1 where it is wrong.
fn owner_seen_by_another() -> usize {
    use std::os::unix::process::CommandExt;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port().to_string();
    let name = "another user's listener";
    let me = std::env::current_exe().expect("this program");
    let mut command = Command::new(me);
    match command.args(["owner", &port]).uid(65534).gid(65534).current_dir("/").output() {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let right = said == "unknown owner (user root)";
            println!("{name:<28} {}shows as {said:?}", if right { "" } else { "WRONG: " });
            usize::from(!right)
        }
        _ => {
            println!("{name:<28} skipped: this needs root, and a folder that others may read");
            0
        }
    }
}
