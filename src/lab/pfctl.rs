//! pfctl on the pretended Mac: an [`Invocation`] is carried out on what its kernel holds, with the words,
//! streams and exit codes of pfctl on macOS.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::arguments::{Flush, Invocation, Refused, USAGE};
use super::directory::take_directory;
use super::error::LabError;
use super::kernel::{Kernel, KernelRuleset};
use super::load::{How, RuleFiles, address, bounded, load};
use super::packets;
use super::states::StateEntry;
use super::store::Store;
use crate::os;
use crate::os::process::parent_name;

mod show;
mod tables;

/// What pfctl prints before it works: no macOS kernel has ALTQ.
const NOISE: &str = "No ALTQ support in kernel\nALTQ related functions disabled\n";
/// What it prints whenever `-f` is given.
const WARNING: &str = "pfctl: Use of -f option, could result in flushing of rules\n\
    present in the main ruleset added by the system at startup.\n\
    See /etc/pf.conf for further details.\n\n";
/// What a call ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// 0, 1, 2 (`-T test` found not all), or 255 (a table's trouble).
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

/// A call that ends here with this exit code; why is on standard error already.
struct Ends(u8);

/// The program `pfctl-lab`: its arguments (without its own name) in, its exit code out.
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let reply = read_arguments(arguments).map_or_else(
        |refused| Reply {
            code: 1,
            stderr: match refused {
                Refused::Usage(_) => format!("{refused}\n{USAGE}"),
                Refused::NotInALab(_) => format!("{refused}\n"),
            },
            ..Reply::default()
        },
        |(directory, asked)| match asked {
            // Where a script stands before this program, it is the script that was started, and leads the group.
            LabCommand::Pfctl(invocation) => run_as(os::process_group(), &directory, &invocation),
            LabCommand::Packet(words) => match packets::command(&directory, &words) {
                Ok(passage) => Reply { stdout: format!("{passage}\n"), ..Reply::default() },
                Err(error) => Reply { code: 1, stderr: format!("pfctl-lab: {error}\n"), ..Reply::default() },
            },
        },
    );
    let _ = std::io::stderr().write_all(reply.stderr.as_bytes());
    match std::io::stdout().write_all(reply.stdout.as_bytes()) {
        Ok(()) => reply.code,
        Err(_) => 1,
    }
}

fn read_arguments(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<(PathBuf, LabCommand), Refused> {
    let mut words: Vec<std::ffi::OsString> = arguments.into_iter().collect();
    let directory = take_directory(&mut words).map_err(|error| Refused::Usage(error.to_string()))?;
    let words: Result<Vec<String>, _> = words.into_iter().map(std::ffi::OsString::into_string).collect();
    let words =
        words.map_err(|word| Refused::Usage(format!("the argument \"{}\" is not UTF-8", word.display())));
    let words = words?;
    Ok(match words.split_first() {
        Some((first, rest)) if first == "packet" => (directory, LabCommand::Packet(rest.to_vec())),
        _ => (directory, LabCommand::Pfctl(Invocation::parse(words)?)),
    })
}

/// What the program is to do.
enum LabCommand {
    /// What pfctl does.
    Pfctl(Invocation),
    /// To send a packet, which no pfctl can.
    Packet(Vec<String>),
}

/// Carries out one call in the lab of `directory`.
pub fn run(directory: &Path, invocation: &Invocation) -> Reply {
    run_as(std::process::id(), directory, invocation)
}

/// The same, with `pid` as the holder of the tokens that it takes.
fn run_as(pid: u32, directory: &Path, invocation: &Invocation) -> Reply {
    let mut call = Call { invocation, reply: Reply::default(), pid };
    if invocation.file.is_some() {
        call.reply.stderr.push_str(WARNING);
    }
    // What comes from outside is read before others are made to wait.
    let input = invocation.file.as_deref().map(|name| read_input(directory, name));
    let carried_out = Store::open(directory).and_then(|store| call.work(&store, input));
    match carried_out {
        Ok(Ok(())) => {}
        Ok(Err(Ends(code))) => call.reply.code = code,
        Err(error) => {
            let _ = writeln!(call.reply.stderr, "pfctl-lab: {error}");
            call.reply.code = 1;
        }
    }
    call.reply
}

/// A text and the name that errors call it by.
struct Input {
    name: String,
    bytes: std::io::Result<Vec<u8>>,
}

fn read_input(directory: &Path, name: &str) -> Input {
    match name {
        "-" => Input { name: "stdin".to_owned(), bytes: bounded(std::io::stdin().lock()) },
        _ => Input { name: name.to_owned(), bytes: RuleFiles { directory }.read(name) },
    }
}

struct Call<'a> {
    invocation: &'a Invocation,
    reply: Reply,
    pid: u32,
}

impl Call<'_> {
    /// Works on the kernel and keeps what came of it, also where the call ends early: pfctl does one thing
    /// after another.
    fn work(&mut self, store: &Store, input: Option<Input>) -> Result<Result<(), Ends>, LabError> {
        let before = store.kernel()?;
        let states_before = store.states()?;
        let (mut kernel, mut states) = (before.clone(), states_before.clone());
        let end = self.steps(store.files(), &mut kernel, &mut states, input);
        if kernel != before {
            store.keep(&kernel)?;
        }
        if states != states_before {
            store.keep_states(&states)?;
        }
        Ok(end)
    }

    /// What is asked for, in pfctl's order.
    fn steps(
        &mut self,
        files: RuleFiles,
        kernel: &mut Kernel,
        states: &mut Vec<StateEntry>,
        input: Option<Input>,
    ) -> Result<(), Ends> {
        let invocation = self.invocation;
        if !invocation.check_only {
            self.say(NOISE.trim_end());
        }
        if invocation.disable {
            kernel.stop().map_err(|denied| self.complain(denied))?;
            self.say("pf disabled");
        }
        if let Some(token) = invocation.release {
            match kernel.release(token).map_err(|denied| self.complain(denied))? {
                0 => self.say("pf disabled"),
                left => self.say(&format!(
                    "disable request successful. {left} more pf enable reference(s) remaining, pf still enabled."
                )),
            }
        }
        if let Some(show) = invocation.show {
            self.show(show, kernel, states);
        }
        if let Some(flush) = invocation.flush {
            self.check_name()?;
            self.flush(flush, kernel, states);
        }
        if let Some(source) = invocation.kill.first() {
            self.kill(source, invocation.kill.get(1), states)?;
        }
        match (&invocation.table, input) {
            (Some(table), input) => self.table(table, input, kernel)?,
            (None, Some(input)) => {
                self.check_name()?;
                self.load(files, kernel, input)?;
            }
            (None, None) => {}
        }
        if invocation.enable {
            kernel.start(os::now()).map_err(|denied| self.complain(denied))?;
            self.say("pf enabled");
        }
        if invocation.hold {
            let token = new_token(kernel, self.pid);
            kernel.hold_as(holder_name(), token, self.pid, os::now());
            self.say(&format!("pf enabled\nToken : {token}"));
        }
        Ok(())
    }

    /// Says on standard error what went well.
    fn say(&mut self, text: &str) {
        if !self.invocation.quiet {
            let _ = writeln!(self.reply.stderr, "{text}");
        }
    }

    /// Says on standard error what went wrong; the call ends with 1.
    fn complain(&mut self, why: impl std::fmt::Display) -> Ends {
        let _ = writeln!(self.reply.stderr, "pfctl: {why}");
        Ends(1)
    }

    fn print(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.reply.stdout, "{line}");
    }

    fn check_name(&mut self) -> Result<(), Ends> {
        match self.invocation.anchor.split('/').any(|name| name.starts_with('_')) {
            true => {
                Err(self.complain("anchor names beginning with '_' cannot be modified from the command line"))
            }
            false => Ok(()),
        }
    }

    fn flush(&mut self, flush: Flush, kernel: &mut Kernel, states: &mut Vec<StateEntry>) {
        let whole = self.invocation.anchor.is_empty();
        match flush {
            Flush::Rules => self.flush_rules(kernel, "rules cleared", |ruleset| {
                ruleset.scrub.clear();
                ruleset.filter.clear();
            }),
            Flush::Nat => self.flush_rules(kernel, "nat cleared", |ruleset| {
                ruleset.nat.clear();
                ruleset.rdr.clear();
                ruleset.binat.clear();
            }),
            Flush::Dummynet => {
                self.flush_rules(kernel, "dummynet cleared", |ruleset| ruleset.dummynet.clear());
            }
            Flush::Tables => {
                let count = kernel.ruleset(&self.invocation.anchor).tables.len();
                self.flush_rules(kernel, &format!("{count} tables deleted."), |ruleset| {
                    ruleset.tables.clear()
                });
            }
            Flush::States => {
                self.say(&format!("{} states cleared", states.len()));
                states.clear();
            }
            Flush::Sources => self.say("source tracking entries cleared"),
            Flush::Info => self.say("pf: statistics cleared"),
            Flush::All => {
                let ours = [Flush::Rules, Flush::Nat, Flush::Dummynet, Flush::Tables];
                let everybodys = [Flush::States, Flush::Sources, Flush::Info];
                let everybodys = if whole { everybodys.as_slice() } else { &[] };
                for part in ours.iter().chain(everybodys) {
                    self.flush(*part, kernel, states);
                }
                if whole {
                    kernel.skip.clear();
                    self.say("pf: interface flags reset");
                }
            }
        }
    }

    fn flush_rules(&mut self, kernel: &mut Kernel, said: &str, clear: impl Fn(&mut KernelRuleset)) {
        if let Some(ruleset) = kernel.rulesets.get_mut(&self.invocation.anchor) {
            clear(ruleset);
        }
        kernel.forget();
        self.say(said);
    }

    /// Drops the states from `source`, or from there to `destination`.
    fn kill(
        &mut self,
        source: &str,
        destination: Option<&String>,
        states: &mut Vec<StateEntry>,
    ) -> Result<(), Ends> {
        let mut host = |text: &str| {
            address(text)
                .filter(|(left_out, _)| !left_out)
                .map(|(_, network)| network)
                .ok_or_else(|| self.complain("getaddrinfo: nodename nor servname provided, or not known"))
        };
        let source = host(source)?;
        let to = destination.map(|destination| host(destination)).transpose()?;
        let before = states.len();
        states.retain(|state| {
            let from_there = source.contains(&state.source.address);
            !(from_there && to.is_none_or(|network| network.contains(&state.destination.address)))
        });
        let killed = before - states.len();
        self.say(&format!(
            "killed {killed} states from 1 sources and {} destinations",
            u8::from(to.is_some())
        ));
        Ok(())
    }

    fn load(&mut self, files: RuleFiles, kernel: &mut Kernel, input: Input) -> Result<(), Ends> {
        let invocation = self.invocation;
        let anchor = invocation.anchor.as_str();
        let how = How { pid: self.pid, numbered: invocation.verbose > 1, check_only: invocation.check_only };
        // Options in an anchor's file have no effect.
        let sets_skip = anchor.is_empty() && !invocation.check_only;
        let loaded = load(files, anchor, &input.name, input.bytes, how).map_err(|failed| {
            for message in failed.messages {
                let _ = writeln!(self.reply.stderr, "{message}");
            }
            if sets_skip {
                kernel.skip = failed.skip;
            }
            Ends(1)
        })?;
        if invocation.verbose > 0 {
            self.reply.stdout.push_str(&loaded.printed);
            self.reply.stderr.push_str(&loaded.told);
        }
        if sets_skip {
            kernel.skip = loaded.skip;
        }
        if !invocation.check_only {
            kernel.replace(loaded.rulesets);
        }
        Ok(())
    }
}

/// An unused token. The kernel makes them from an address of its own and the time; here the process
/// stands for the address.
/// The kernel notes the program that asks; on a Mac the helper asks by itself, and here it does so by this program.
fn holder_name() -> String {
    let is_helper = parent_name().is_some_and(|name| name.starts_with("helper"));
    if is_helper { "portcullis-helper" } else { "pfctl" }.to_owned()
}

fn new_token(kernel: &Kernel, pid: u32) -> u64 {
    let mut token = (u64::from(pid) << 40) ^ (os::now().unsigned_abs() << 8);
    while token == 0 || kernel.holders.iter().any(|holder| holder.token == token) {
        token = token.wrapping_add(1);
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestLab(tempfile::TempDir);

    impl TestLab {
        fn new() -> Self {
            TestLab(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) -> String {
            std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            std::fs::write(self.path(name), text).unwrap();
            self.path(name).display().to_string()
        }

        fn call(&self, line: &str) -> Reply {
            let words = line.split_whitespace().map(str::to_owned);
            run(self.0.path(), &Invocation::parse(words).unwrap())
        }

        fn shown(&self, line: &str) -> String {
            let reply = self.call(line);
            assert_eq!((reply.code, reply.stderr.as_str()), (0, NOISE), "{line}");
            reply.stdout
        }

        /// What is said on standard error apart from the noise, after `code`.
        fn says(&self, line: &str, code: u8) -> String {
            let reply = self.call(line);
            assert_eq!(reply.code, code, "{line}: {}", reply.stderr);
            assert_eq!(reply.stdout, "", "{line}");
            reply.stderr.replace(WARNING, "").replace(NOISE, "").trim_end().to_owned()
        }
    }

    #[test]
    fn a_stock_mac() {
        let lab = TestLab::new();
        assert_eq!(
            lab.shown("-sr"),
            "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n"
        );
        assert_eq!(lab.shown("-s nat"), "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n");
        assert_eq!(lab.shown("-s dummynet"), "dummynet-anchor \"com.apple/*\" all\n");
        assert_eq!(lab.shown("-sA"), "  com.apple\n");
        assert_eq!(
            lab.shown("-v -s Anchors"),
            "  com.apple\n  com.apple/200.AirDrop\n  com.apple/250.ApplicationFirewall\n"
        );
        assert_eq!(
            lab.shown("-a com.apple -sr"),
            "anchor \"200.AirDrop/*\" all\nanchor \"250.ApplicationFirewall/*\" all\n"
        );
        assert_eq!(lab.shown("-s References"), "No pf starter references held\n");
        assert!(lab.shown("-si").starts_with("Status: Disabled "));
        assert_eq!(lab.shown("-ss"), "");
        assert_eq!(lab.shown("-sT"), "");
    }

    #[test]
    fn what_is_loaded_is_what_was_there_at_the_start() {
        let lab = TestLab::new();
        super::super::init(lab.0.path()).unwrap();
        lab.write("etc/pf.conf", "pass all\n");
        assert!(lab.shown("-sr").contains("com.apple"));
        lab.says("-f /etc/pf.conf", 0);
        assert_eq!(lab.shown("-sr"), "pass all flags S/SA keep state\n");
        std::fs::remove_file(lab.path("private/var/pf/kernel.json")).unwrap();
        lab.write("etc/pf.conf", "block all\n");
        assert_eq!(lab.shown("-sr"), "block drop all\n", "the pretended Mac was restarted");
    }

    #[test]
    fn enabling_and_giving_back() {
        let lab = TestLab::new();
        assert_eq!(lab.says("-X 1", 1), "pfctl: pf not enabled");
        let token = |text: String| text.strip_prefix("pf enabled\nToken : ").unwrap().parse::<u64>().unwrap();
        let first = token(lab.says("-E", 0));
        let second = token(lab.says("-E", 0));
        assert_ne!(first, second);
        assert!(lab.shown("-s info").starts_with("Status: Enabled for 0 days "));
        let held = lab.shown("-sR");
        let rows: Vec<&str> = held.lines().collect();
        assert_eq!(
            rows[..2],
            ["TOKENS:", "PID      Process Name                 TOKEN                    TIMESTAMP"]
        );
        let newest = format!("{:<8} pfctl                        {second:<24} 0 days ", std::process::id());
        assert!(rows[2].starts_with(&newest), "{held}");
        assert!(rows[3].contains(&format!(" {first} ")) && rows.len() == 4);
        assert_eq!(lab.says("-e", 1), "pfctl: pf already enabled");
        assert_eq!(
            lab.says(&format!("-X {first}"), 0),
            "disable request successful. 2 more pf enable reference(s) remaining, pf still enabled."
        );
        assert_eq!(lab.says(&format!("-X {first}"), 1), "pfctl: pf: token invalid");
        assert_eq!(lab.says("-d", 0), "pf disabled");
        assert_eq!(lab.says(&format!("-X {second}"), 1), "pfctl: pf not enabled");
        assert_eq!(lab.says("-d", 1), "pfctl: pf not enabled");
        let last = token(lab.says("-E", 0));
        assert_eq!(lab.says(&format!("-X {last}"), 0), "pf disabled");
        assert_eq!(lab.call("-qE").stderr, "");
    }

    #[test]
    fn an_anchor_is_replaced_alone_and_as_a_whole() {
        let lab = TestLab::new();
        let rules =
            lab.write("r", "table <t> persist { 10.0.0.1 }\npass in proto tcp from <t> to any port 2345\n");
        assert_eq!(lab.says(&format!("-a com.apple/100.x -f {rules}"), 0), "");
        let expected = "pass in proto tcp from <t> to any port = 2345 flags S/SA keep state\n";
        assert_eq!(lab.shown("-a com.apple/100.x -sr"), expected);
        assert_eq!(lab.shown("-a com.apple/100.x -sT"), "t\n");
        assert_eq!(lab.shown("-a com.apple/100.x -vsT"), "-pa-r-\tt\tcom.apple/100.x\n");
        assert_eq!(lab.shown("-a com.apple/100.x -t t -Tshow"), "   10.0.0.1\n");
        assert!(lab.shown("-vsA").contains("  com.apple/100.x\n"));
        // Reloading the main ruleset leaves it alone.
        lab.says("-f /etc/pf.conf", 0);
        assert_eq!(lab.shown("-a com.apple/100.x -sr"), expected);
        let bad = lab.write("bad", "pass\n\nblok all\n");
        let said = lab.says(&format!("-a com.apple/100.x -f {bad}"), 1);
        assert_eq!(
            said,
            format!("{bad}:3: syntax error\npfctl: Syntax error in config file: pf rules not loaded")
        );
        assert_eq!(lab.says(&format!("-n -f {bad}"), 1), format!("{bad}:3: syntax error"));
        assert_eq!(lab.shown("-a com.apple/100.x -sr"), expected);
        let empty = lab.write("empty", "");
        lab.says(&format!("-a com.apple/100.x -f {empty}"), 0);
        assert_eq!(lab.shown("-a com.apple/100.x -sT"), "t\n", "a persistent table stays");
        lab.call("-a com.apple/100.x -F all");
        assert_eq!(lab.says("-a com.apple/100.x -sr", 0), "pfctl: DIOCGETRULES: Invalid argument");
    }

    #[test]
    fn checking_prints_and_changes_nothing() {
        let lab = TestLab::new();
        let rules = lab.write(
            "r",
            "ports = \"{ 1 2 }\"\nset skip on lo0\nanchor in { block all }\npass proto tcp to port $ports\n",
        );
        lab.call("-si");
        let before = std::fs::read(lab.path("private/var/pf/kernel.json")).unwrap();
        let reply = lab.call(&format!("-nvf {rules}"));
        assert_eq!(reply.code, 0);
        assert_eq!(
            reply.stdout,
            "ports = \"{ 1 2 }\"\nset skip on { lo0 }\nanchor in all {\n  block drop all\n}\n\
             pass proto tcp from any to any port = 1 flags S/SA keep state\n\
             pass proto tcp from any to any port = 2 flags S/SA keep state\n"
        );
        assert!(lab.call(&format!("-nvvf {rules}")).stdout.contains("@2 pass proto tcp"));
        assert_eq!(std::fs::read(lab.path("private/var/pf/kernel.json")).unwrap(), before);
        assert_eq!(lab.call("-n -f /no/such/file").code, 1);
    }

    #[test]
    fn nameless_anchors_are_shown_where_they_are_called() {
        let lab = TestLab::new();
        let rules =
            lab.write("r", "anchor in { block all\nanchor out { pass all } }\nanchor \"x\" { pass all }\n");
        lab.says(&format!("-f {rules}"), 0);
        assert_eq!(
            lab.shown("-sr"),
            "anchor in all {\n  block drop all\n  anchor out all {\n    pass all flags S/SA keep state\n  }\n}\nanchor \"x\" all\n"
        );
        assert_eq!(lab.shown("-sA"), "  com.apple\n  x\n", "the old anchor still holds rules");
        assert!(lab.shown("-vsA").contains("  _1/_2\n"));
        assert_eq!(
            lab.says(&format!("-a _1 -f {rules}"), 1),
            "pfctl: anchor names beginning with '_' cannot be modified from the command line"
        );
        assert_eq!(lab.says("-a nowhere -sA", 0), "Anchor 'nowhere' not found.");
        assert_eq!(lab.says("-a nowhere -sT", 0), "pfctl: Anchor or Ruleset does not exist.");
    }

    #[test]
    fn labels() {
        let lab = TestLab::new();
        let rules = lab.write("r", "pass in proto tcp to port 2345 label \"dlv:$dstport\"\nblock in\n");
        lab.says(&format!("-a x -f {rules}"), 0);
        assert_eq!(lab.shown("-a x -s labels"), "dlv:2345 0 0 0 0 0 0 0\n");
        assert_eq!(lab.shown("-sl"), "");
    }

    #[test]
    fn interfaces_that_are_skipped() {
        let lab = TestLab::new();
        let rules = lab.write("r", "set skip on { lo0 bridge100 }\n");
        lab.says(&format!("-f {rules}"), 0);
        assert!(lab.shown("-v -s Interfaces").contains("bridge100 (skip)\nen0\nlo0 (skip)\n"));
        // A main ruleset that does not load changes them all the same, as on a Mac.
        let bad = lab.write("bad", "set skip on en5\nblok\n");
        lab.says(&format!("-n -f {bad}"), 1);
        assert!(lab.shown("-vsI").contains("lo0 (skip)"));
        lab.says(&format!("-f {bad}"), 1);
        assert_eq!(lab.shown("-vsI").matches("(skip)").count(), 1);
        assert!(lab.shown("-vsI").contains("en5 (skip)"));
        let none = lab.write("none", "pass\n");
        lab.says(&format!("-a x -f {rules}"), 0);
        lab.says(&format!("-f {none}"), 0);
        assert!(!lab.shown("-vsI").contains("skip"));
    }

    #[test]
    fn tables() {
        let lab = TestLab::new();
        assert_eq!(lab.says("-t t -T show", 255), "pfctl: Table does not exist.");
        assert_eq!(
            lab.says("-a x -t t -T add 10.0.0.1 10/8 10.0.0.1", 0),
            "1 table created.\n2/3 addresses added."
        );
        assert_eq!(lab.says("-a x -t t -T add !10.1.0.0/16", 0), "1/1 addresses added.");
        assert_eq!(lab.shown("-a x -t t -T show"), "   10.0.0.0/8\n   10.0.0.1\n  !10.1.0.0/16\n");
        assert_eq!(lab.says("-a x -t t -T test 10.2.0.1", 0), "1/1 addresses match.");
        assert_eq!(lab.says("-a x -t t -T test 10.2.0.1 10.1.0.1", 2), "1/2 addresses match.");
        assert_eq!(lab.says("-a x -t t -T delete 10.0.0.1 10.0.0.2", 0), "1/2 addresses deleted.");
        assert_eq!(lab.says("-a x -t t -T replace 10.0.0.0/8", 0), "1 addresses deleted.");
        assert_eq!(lab.says("-a x -t t -T replace 10.0.0.0/8", 0), "no changes.");
        assert_eq!(lab.says("-a x -t t -T flush", 0), "1 addresses deleted.");
        assert_eq!(
            lab.says("-a x -t t -T add example.org", 255),
            "no IP address found for example.org\npfctl: cannot decode example.org"
        );
        assert_eq!(lab.says("-a x -t t -T kill", 0), "1 table deleted.");
        assert_eq!(lab.shown("-sA"), "  com.apple\n");
        let long = format!("-t {} -T show", "x".repeat(32));
        assert_eq!(lab.says(&long, 1), "pfctl: pfctl_table: strlcpy");
        let file = lab.write("hosts", "10.0.0.1 # me\n10.0.0.2\n");
        assert_eq!(
            lab.says(&format!("-t t -T replace -f {file}"), 0),
            "1 table created.\n2 addresses added."
        );
        let rules = lab.write("r", "table <c> const { 10.0.0.1 }\npass from <c>\n");
        lab.says(&format!("-a y -f {rules}"), 0);
        assert_eq!(lab.says("-a y -t c -T add 10.0.0.2", 255), "pfctl: Operation not permitted.");
    }

    #[test]
    fn states_are_killed_by_host() {
        let lab = TestLab::new();
        lab.call("-si");
        lab.write(
            "private/var/pf/states",
            "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n\
             ALL tcp 192.168.1.2:2345 <- 192.168.1.10:50000       ESTABLISHED:ESTABLISHED\n\
             ALL tcp 192.168.1.2:60000 -> 17.57.145.5:5223       ESTABLISHED:ESTABLISHED\n",
        );
        assert_eq!(lab.shown("-ss").lines().count(), 3);
        assert_eq!(lab.says("-k 192.168.1.9", 0), "killed 1 states from 1 sources and 0 destinations");
        assert_eq!(
            lab.says("-k 0.0.0.0/0 -k 17.0.0.0/8", 0),
            "killed 1 states from 1 sources and 1 destinations"
        );
        assert_eq!(
            lab.shown("-ss"),
            "ALL tcp 192.168.1.2:2345 <- 192.168.1.10:50000       ESTABLISHED:ESTABLISHED\n"
        );
        assert_eq!(
            lab.says("-k example.org", 1),
            "pfctl: getaddrinfo: nodename nor servname provided, or not known"
        );
        assert_eq!(lab.says("-F states", 0), "1 states cleared");
    }

    #[test]
    fn flushing_everything() {
        let lab = TestLab::new();
        let said = lab.says("-F all", 0);
        assert_eq!(
            said,
            "rules cleared\nnat cleared\ndummynet cleared\n0 tables deleted.\n0 states cleared\n\
             source tracking entries cleared\npf: statistics cleared\npf: interface flags reset"
        );
        assert_eq!(lab.shown("-sr"), "");
        // Anchors without a caller are still there.
        assert!(lab.shown("-vsA").contains("com.apple/200.AirDrop"));
    }

    #[test]
    fn everything_at_once() {
        let shown = TestLab::new().call("-sa");
        assert!(shown.stdout.starts_with("TRANSLATION RULES:\nnat-anchor \"com.apple/*\" all\n"));
        assert!(shown.stdout.contains("\n\nFILTER RULES:\nscrub-anchor"));
        assert!(shown.stdout.contains("\n\nINFO:\nStatus: Disabled"));
        assert!(shown.stderr.contains("a lab has no queues"));
    }
}
