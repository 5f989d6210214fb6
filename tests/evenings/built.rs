//! The built programs in a lab: launchd's stand-in runs the installed helper's tick, and pfctl's says what is loaded.

use std::collections::BTreeSet;

use portcullis::lab::clocks::{FILE, SetClocks};
use portcullis::lab::launchd::{LaunchPace, Launchd};
use portcullis::os::own_uid;
use portcullis::system::{BELL, JOB_LABEL, Moment};

use crate::common::{Lab, Said};
use crate::oracle::{End, From, Network, Now, Terms};
use crate::subject::Subject;
use crate::world::Place;

pub struct BuiltMac {
    lab: Lab,
    launchd: Launchd,
    /// How often the job had run when it was last looked at.
    runs: u64,
    open: BTreeSet<u16>,
    /// As POSIX's `TZ` has it.
    pub zone: String,
}

impl BuiltMac {
    /// With the guard and the job.
    pub fn new(now: &Now, zone: &str) -> Self {
        let lab = Lab::new();
        lab.portcullis(&["status"]).expect(0);
        let launchd = Launchd::of(lab.path());
        let mac = BuiltMac { lab, launchd, runs: 0, open: BTreeSet::new(), zone: zone.to_owned() };
        mac.set_clocks(now);
        mac.lab.portcullis(&["guard", "on"]).expect(0);
        mac
    }

    fn set_clocks(&self, now: &Now) {
        let set = SetClocks::new(moment(now), &self.zone);
        let text = serde_json::to_string(&set).expect("plain data");
        let place = self.lab.file(FILE);
        let new = place.with_extension("new");
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, place)).expect("the lab is there");
    }

    fn request(&mut self, words: &str, now: &Now) -> Said {
        self.set_clocks(now);
        let made = jiff::Timestamp::from_second(now.wall).expect("within the years");
        let Moment { boot, clock, .. } = moment(now);
        let words = format!("{words} --made {made} --boot {boot} --clock {clock} --asker ada");
        let said = self.lab.helper(&words.split(' ').collect::<Vec<_>>()).expect(0);
        self.look();
        said
    }

    fn look(&mut self) {
        let rules = self.lab.rules();
        let passes =
            rules.lines().filter(|rule| rule.starts_with("pass in ") && rule.contains(" keep state"));
        let port = |rule: &str| {
            let (_, behind) = rule.split_once("port = ")?;
            behind.split(' ').next()?.parse().ok()
        };
        self.open = passes.filter_map(port).collect();
    }
}

impl Subject for BuiltMac {
    fn open(&mut self, port: u16, terms: Terms, until: Option<i64>, now: &Now) {
        let until = until.map(|until| jiff::Timestamp::from_second(until).expect("within the years"));
        let until = until.map_or_else(String::new, |until| format!(" --until {until}"));
        let ends = match terms.end {
            End::At(_) | End::Keep => "",
            End::Evening => " --ends evening",
            End::Restart => " --ends restart",
        };
        let from = match terms.from {
            From::Anyone => "any",
            From::Network => "lan:192.168.1.0/24",
        };
        let stay = if terms.stay { " --stay yes" } else { "" };
        self.request(&format!("open {port} --from {from}{until}{ends}{stay}"), now);
    }

    fn close(&mut self, port: u16, now: &Now) {
        self.request(&format!("close {port}"), now);
    }

    fn ring(&mut self, port: u16) {
        use std::io::Write as _;
        for name in [format!("{}.{port}", own_uid()), "ring".to_owned()] {
            let bell = std::fs::File::options().append(true).open(self.lab.file(BELL).join(name));
            bell.and_then(|mut bell| bell.write_all(b"1")).expect("there is a bell for what is open");
        }
    }

    fn set_end_of_day(&mut self, now: &Now) {
        self.request(&format!("end-of-day {:02}:{:02}", now.day / 60, now.day % 60), now);
    }

    /// What was in memory is gone; the lab's kernel and its launchd see by the boot that they begin anew.
    fn restart(&mut self) {
        self.runs = 0;
        self.open.clear();
    }

    fn set_sessions(&mut self, ports: &BTreeSet<u16>) {
        let state = |port: &u16| {
            format!("ALL tcp 192.168.1.2:{port} <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n")
        };
        self.lab.write("/private/var/pf/states", ports.iter().map(state).collect::<String>());
    }

    fn set_place(&mut self, place: Place) {
        let (prefix, router) = match place.network {
            Network::Unknown if !place.has_address => (None, None),
            Network::Unknown => (Some("192.168.1.0/24"), None),
            Network::Known { prefix: 0, router } => (Some("192.168.1.0/24"), Some(router)),
            Network::Known { router, .. } => (Some("10.0.0.0/16"), Some(router)),
        };
        let prefix = prefix.map_or_else(String::new, |prefix| format!("\"{prefix}\""));
        let router = router.map_or("unknown".to_owned(), |router| format!("a4:91:b1:00:00:0{router}"));
        let (interface, own, mut others) = match place.is_docked {
            true => ("en7", String::new(), vec![format!("en7 = [{prefix}]")]),
            false => ("en0", prefix, Vec::new()),
        };
        others.extend(place.has_vpn.then(|| "utun4 = [\"10.8.0.0/24\"]".to_owned()));
        others.extend(place.has_container.then(|| "bridge100 = [\"192.168.64.0/24\"]".to_owned()));
        let text = format!(
            "networks = [{own}]\ninterfaces = {{ {} }}\ngateways = {{ {interface} = \"{router}\" }}\n",
            others.join(", ")
        );
        self.lab.write(portcullis::lab::config::FILE, text);
    }

    fn poll(&mut self, now: &Now) -> bool {
        self.set_clocks(now);
        self.launchd.run_due(now.clock, LaunchPace::Launchd).expect("its table is whole");
        let job = self.launchd.job(JOB_LABEL).expect("it is loaded");
        assert!(matches!(job.exit, None | Some(0)), "{job:?}");
        let ran = job.runs != self.runs;
        self.runs = job.runs;
        if ran {
            self.look();
        }
        ran
    }

    fn open_ports(&mut self) -> BTreeSet<u16> {
        self.open.clone()
    }
}

fn moment(now: &Now) -> Moment {
    Moment { time: now.wall, boot: format!("boot-{}", now.boot), clock: now.clock }
}
