//! What a person may find themselves in, and what has to be true once they have done what they read.

use crate::hand::{self, Deed, Wish};
use crate::machines::{CLIENT, MAC, Machines, output};
use crate::servers;

/// One situation.
pub struct Situation {
    pub name: &'static str,
    /// Whether it takes a second at most.
    pub is_quick: bool,
    port: u16,
    /// The programs that it takes.
    programs: &'static [&'static str],
    /// What is run on the Mac before.
    before: &'static [&'static str],
    /// What the lab's settings are after them.
    lab: &'static [(&'static str, &'static str)],
    /// The debugger, as it was started; empty: it was not.
    line: &'static str,
    /// What runs beside it, and where that listens.
    beside: (&'static str, u16),
    /// What happens to it then.
    then: Then,
    /// The command that prints the next step.
    asks: &'static str,
    /// Of several steps, the one that begins with this.
    step: &'static str,
    wish: Wish,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    /// A client connects and leaves.
    Left,
    /// A client connects and stays.
    Served,
    /// Root's last look at pf is lost.
    Unseen,
}

/// What has to be true in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client elsewhere is answered by the debugger.
    Speaks,
    /// A client on this Mac is.
    SpeaksHere,
    /// The debugger would not survive a client that leaves: it listens for other machines.
    Listens,
    /// The same for clients on this Mac.
    ListensHere,
    /// What is run says why the port is not reachable.
    Says(&'static str),
}

const BASE: Situation = Situation {
    name: "",
    is_quick: false,
    port: 0,
    programs: &[],
    before: &["portcullis guard on"],
    lab: &[],
    line: "",
    beside: ("", 0),
    then: Then::Nothing,
    asks: "portcullis status",
    step: "",
    wish: Wish::First,
    end: End::Speaks,
};

const DLV: &[&str] = &["dlv", "go"];

pub const SITUATIONS: &[Situation] = &[
    Situation {
        name: "a headless dlv on loopback, its port open for this network",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from lan --keep"],
        line: "dlv debug --headless --accept-multiclient --api-version=2 --listen=127.0.0.1:2345",
        ..BASE
    },
    Situation {
        name: "a headless dlv for one client on loopback, its port open for this network",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from lan --keep"],
        line: "dlv debug --headless --listen 127.0.0.1:2345",
        asks: "portcullis doctor",
        step: "on this Mac",
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "a dlv dap on loopback, its port open for anyone",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from any --keep"],
        line: "dlv dap --listen=127.0.0.1:2345",
        asks: "portcullis connect 2345",
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "no dlv, its port open for this network",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from lan --keep"],
        ..BASE
    },
    Situation {
        name: "no dlv, its port closed",
        port: 2345,
        programs: DLV,
        asks: "portcullis connect 2345",
        end: End::SpeaksHere,
        ..BASE
    },
    Situation {
        name: "a headless dlv that a client left bricked",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from lan --keep"],
        line: "dlv debug --headless --listen=:2345",
        then: Then::Left,
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "a headless dlv for one client, which it has",
        port: 2345,
        programs: DLV,
        before: &["portcullis guard on", "portcullis open 2345 --from lan --keep"],
        line: "dlv debug --headless --api-version=2 --listen=:2345",
        then: Then::Served,
        ..BASE
    },
    Situation {
        name: "a dlv that was told to listen without --headless",
        port: 2345,
        programs: DLV,
        line: "dlv debug --allow-non-terminal-interactive=true --listen=127.0.0.1:2345",
        asks: "portcullis doctor",
        step: "add",
        end: End::ListensHere,
        ..BASE
    },
    Situation {
        name: "a node on loopback, its port open for this network",
        is_quick: true,
        port: 9229,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9229 --from lan --keep"],
        line: "node --inspect app.js",
        ..BASE
    },
    Situation {
        name: "no node, its port open for this network",
        port: 9229,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9229 --from lan --keep"],
        asks: "portcullis connect 9229",
        ..BASE
    },
    Situation {
        name: "a node on ::1",
        port: 9229,
        programs: &["node"],
        line: "node --inspect=[::1]:9229 app.js",
        end: End::SpeaksHere,
        ..BASE
    },
    Situation {
        name: "a node on every address, blocked by the Application Firewall",
        port: 9229,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9229 --from lan --keep"],
        lab: &[("application_firewall", "\"on\""), ("application_firewall_blocks", "[\"NODE\"]")],
        line: "node --inspect=0.0.0.0:9229 app.js",
        ..BASE
    },
    Situation {
        name: "a node on every address, its port opened on another network",
        port: 9229,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9229 --from lan --keep"],
        lab: &[("networks", "[\"192.168.0.0/16\"]"), ("gateways", "{ en0 = \"a4:91:b1:00:00:99\" }")],
        line: "node --inspect=0.0.0.0:9229 app.js",
        ..BASE
    },
    Situation {
        name: "a second node, whose port the first has",
        port: 9230,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9230 --from lan --keep"],
        beside: ("node --inspect=0.0.0.0:9229 app.js", 9229),
        line: "node --inspect=0.0.0.0:9229 app.js",
        step: "restart it with `--inspect=0.0.0.0:9230`",
        asks: "portcullis doctor",
        ..BASE
    },
    Situation {
        name: "a node on every address, what pf does is not known",
        port: 9229,
        programs: &["node"],
        before: &["portcullis guard on", "portcullis open 9229 --from lan --keep"],
        line: "node --inspect=0.0.0.0:9229 app.js",
        then: Then::Unseen,
        asks: "portcullis connect 9229",
        ..BASE
    },
    Situation {
        name: "a node on loopback, for a client elsewhere",
        port: 9229,
        programs: &["node", "ssh", "dropbear"],
        line: "node --inspect app.js",
        wish: Wish::Tunnel,
        ..BASE
    },
    Situation {
        name: "a JVM on loopback, its port open for this network",
        port: 5005,
        programs: &["java"],
        before: &["portcullis guard on", "portcullis open 5005 --from lan --keep"],
        line: "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=y,address=5005 App.java",
        asks: "portcullis doctor",
        step: "on this Mac",
        ..BASE
    },
    Situation {
        name: "no JVM, its port open for this network",
        port: 5005,
        programs: &["java"],
        before: &["portcullis guard on", "portcullis open 5005 --from lan --keep"],
        asks: "portcullis connect 5005",
        ..BASE
    },
    Situation {
        name: "a debugpy on loopback, its port open for this network",
        port: 5678,
        programs: &["python3"],
        before: &["portcullis guard on", "portcullis open 5678 --from lan --keep"],
        line: "python3 -m debugpy --listen 5678 --wait-for-client app.py",
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "no debugpy, its port open for this network",
        port: 5678,
        programs: &["python3"],
        before: &["portcullis guard on", "portcullis open 5678 --from lan --keep"],
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "a gdbserver, its port closed",
        is_quick: true,
        port: 1234,
        programs: &["gdbserver"],
        line: "gdbserver :1234 ./app",
        ..BASE
    },
    Situation {
        name: "no gdbserver, its port open for this network",
        port: 1234,
        programs: &["gdbserver"],
        before: &["portcullis guard on", "portcullis open 1234 --from lan --keep"],
        ..BASE
    },
    Situation {
        name: "a gdbserver behind a rule of another program",
        port: 1234,
        programs: &["gdbserver"],
        before: &[
            "portcullis guard on",
            "portcullis open 1234 --from lan --keep",
            "pfctl -a com.apple/050.vpn -f others.conf",
            "portcullis status --check",
        ],
        line: "gdbserver :1234 ./app",
        end: End::Says("com.apple/050.vpn"),
        ..BASE
    },
    Situation {
        name: "an lldb-server on loopback, its port open for this network",
        port: 1234,
        programs: &["lldb-server"],
        before: &["portcullis guard on", "portcullis open 1234 --from lan --keep"],
        line: "lldb-server gdbserver 127.0.0.1:1234 -- ./app 1000",
        end: End::Listens,
        ..BASE
    },
    Situation {
        name: "an rdbg on loopback, its port open for this network",
        port: 12345,
        programs: &["rdbg"],
        before: &["portcullis guard on", "portcullis open 12345 --from lan --keep"],
        line: "rdbg --open --port 12345 app.rb",
        asks: "portcullis connect 12345",
        ..BASE
    },
];

impl Situation {
    /// Whether a client logs in to the Mac.
    pub fn takes_root(&self) -> bool {
        self.wish == Wish::Tunnel
    }

    /// Errors: what is missing.
    pub fn servers_are_here(&self) -> Result<(), String> {
        match self.programs.iter().find(|name| servers::program(name).is_none()) {
            Some(missing) => Err(format!("skipped: no {missing}")),
            None => Ok(()),
        }
    }

    /// Brings it about, reads the next step, does what it says, and looks.
    pub fn try_it(&self, machines: &mut Machines) -> Result<String, String> {
        machines.prepare(self.programs)?;
        for line in self.before {
            machines.run(line);
        }
        for (key, value) in self.lab {
            let node = servers::program("node").unwrap_or_default().display().to_string();
            machines.set(key, &value.replace("NODE", &node));
        }
        let (beside, port) = self.beside;
        if port != 0 {
            machines.start(beside)?;
            machines.until("the other listens", |machines| !machines.listens_on(port).is_empty())?;
        }
        let mut running = None;
        if !self.line.is_empty() {
            running = Some(machines.start(self.line)?);
            self.wait_for_the_first(machines)?;
        }
        match self.then {
            Then::Nothing => {}
            Then::Left => {
                let leave = format!("exec 3<>/dev/tcp/{MAC}/{}", self.port);
                output(machines.there("bash").args(["-c", &leave]))?;
                machines.until("it listens no more", |machines| machines.listens_on(self.port).is_empty())?;
            }
            Then::Served => machines.serve(self.port)?,
            Then::Unseen => machines.forget()?,
        }
        let printed = machines.run(self.asks);
        let steps = hand::next_steps(&printed);
        let step = steps.into_iter().find(|step| step.starts_with(self.step));
        let step = step.ok_or_else(|| format!("no next step in: {printed}"))?;
        let deed = hand::read(step, self.wish).ok_or_else(|| format!("not to be done: {step}"))?;
        self.do_it(&deed, running, machines).and_then(|said| self.look(&said, machines)).map_err(|why| {
            format!(
                "{why}\n    after: {step}\n    done: {deed:?}\n    in: {printed}\n    server: {}",
                machines.said()
            )
        })?;
        Ok(format!("right: {step}"))
    }

    /// A debugger that was told to listen has begun, or is there without.
    fn wait_for_the_first(&self, machines: &Machines) -> Result<(), String> {
        if self.beside.1 != 0 {
            return machines
                .until("it is refused", |machines| machines.said().contains("address already in use"));
        }
        if self.step == "add" {
            return machines
                .until("dlv is at its prompt", |machines| machines.said().contains("Type 'help'"));
        }
        machines.until("it listens", |machines| !machines.listens_on(self.port).is_empty())
    }

    /// Does it, and gives what was printed then.
    fn do_it(&self, deed: &Deed, running: Option<usize>, machines: &mut Machines) -> Result<String, String> {
        let line = match deed {
            Deed::Run(line) => return Ok(machines.run(line)),
            Deed::Tunnel(line) => return machines.tunnel(line, self.port).map(|()| String::new()),
            // What it leaves open is the program.
            Deed::Start(line) => line.replace('…', "App.java"),
            Deed::Restart(option) => hand::with_option(self.line, option),
            Deed::Again => self.line.to_owned(),
        };
        if let Some(running) = running {
            machines.stop(running, self.port)?;
        }
        machines.start(&line)?;
        machines.until("it listens", |machines| !machines.listens_on(self.port).is_empty())?;
        Ok(String::new())
    }

    /// Whether it is as it has to be.
    fn look(&self, said: &str, machines: &Machines) -> Result<(), String> {
        let port = self.port.to_string();
        if let End::Says(what) = self.end {
            return if said.contains(what) { Ok(()) } else { Err(format!("it says: {said}")) };
        }
        let is_here = matches!(self.end, End::SpeaksHere | End::ListensHere) || self.wish == Wish::Tunnel;
        let from = if is_here { "loopback" } else { CLIENT };
        let verdict = machines.run(&format!("portcullis explain {port} --from {from}"));
        if !verdict.starts_with("passed") {
            return Err(format!("pf's verdict for {from}: {verdict}"));
        }
        let again = machines.run(&format!("portcullis connect {port}"));
        // macOS does not tell a program that it permits from one that it will ask about.
        let may_ask = again.contains("the Application Firewall is on, and may block");
        if !is_here && again.contains("next: ") && !may_ask {
            return Err(format!("not at the first try: {again}"));
        }
        let addresses = machines.listens_on(self.port);
        match self.end {
            End::Listens
                if addresses.iter().any(|address| ["*", "0.0.0.0", "[::]"].contains(&address.as_str())) =>
            {
                Ok(())
            }
            End::ListensHere if addresses.iter().any(|address| address == "127.0.0.1") => Ok(()),
            End::Listens | End::ListensHere => Err(format!("it listens on {addresses:?}")),
            End::SpeaksHere => machines.speaks_here("127.0.0.1", &port),
            _ if self.wish == Wish::Tunnel => machines.speaks_there("127.0.0.1", &port),
            _ => machines.speaks_there(MAC, &port),
        }
    }
}
