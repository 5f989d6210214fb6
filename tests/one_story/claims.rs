//! What must hold of everything that is printed of one world, written from the text and not from the code.

use portcullis::app::Evidence;
use portcullis::menu::{MenuRow, PORT_WIDTH, RowKind};
use portcullis::port::PortRange;
use portcullis::report::PfState;
use portcullis::rules::ledger::{Guard, Opening};
use portcullis::rules::source::Source;
use serde_json::Value;

use super::faces::{Faces, Said, explained};
use super::world::{Files, LedgerState, Prepared, World};

/// Something printed that is not so, or that another part denies.
pub struct Lie {
    pub rule: &'static str,
    pub what: String,
}

/// The most characters of a sentence.
pub const LONGEST: usize = 160;

/// The lies of one world, and how many claims of who gets in were held against `explain`.
pub fn judged(prepared: &Prepared, faces: &Faces, files: &Files) -> (Vec<Lie>, u64) {
    let rules = prepared.evidence_for(true);
    let mut judge = Judge { world: prepared.world, faces, rules, files, lies: Vec::new(), claims: 0 };
    judge.one_sentence();
    judge.icon();
    judge.counts();
    judge.guard();
    judge.damage();
    for port in faces.status.json["ports"].as_array().unwrap() {
        judge.port(port);
    }
    judge.doctor();
    judge.connect();
    judge.lengths();
    judge.others_stay_known();
    (judge.lies, judge.claims)
}

struct Judge<'a> {
    world: &'a World,
    faces: &'a Faces,
    /// As an administrator reads it.
    rules: Evidence,
    files: &'a Files,
    lies: Vec<Lie>,
    /// How often explain was asked what a sentence or a row claims.
    claims: u64,
}

/// What a row says, in either face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Open,
    /// Open for some of its ports, each of which has a row of its own.
    InPart,
    Paused,
    MayBeOpen,
    Closed,
    LetIn,
    NotProtected,
    Unknown,
}

/// What explain says of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Block,
    Unknown,
}

impl Judge<'_> {
    fn lie(&mut self, rule: &'static str, what: impl Into<String>) {
        self.lies.push(Lie { rule, what: what.into() });
    }

    fn check(&mut self, rule: &'static str, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.lie(rule, what());
        }
    }

    fn sentence(&self) -> &str {
        self.faces.status.json["sentence"].as_str().unwrap()
    }

    /// The same sentence stands first in text and JSON; the menu's headline is of the same state.
    fn one_sentence(&mut self) {
        let sentence = self.sentence().to_owned();
        let first = self.faces.status.text.lines().next().unwrap_or_default();
        let first = first.split_once("] ").map_or("", |(_, rest)| rest).to_owned();
        self.check("one sentence", first == sentence, || format!("text {first:?}, JSON {sentence:?}"));
        let menu = self.faces.menu[0].text.clone();
        let icon = self.faces.status.json["icon"].as_str().unwrap().to_owned();
        let has = |words: &[&str]| words.iter().any(|word| menu.contains(word));
        let fits = match icon.as_str() {
            _ if menu.starts_with("Anyone can reach") => icon != "closed",
            "closed" => has(&["All debug ports are closed", "No other machine gets in"]),
            "off" => has(&["the firewall is off"]),
            "open" => has(&["open", "paused", "get in", "not protected"]) && !menu.starts_with("Not known"),
            _ => has(&["Not known", "Not seen", "Not looked", "not protected yet"]),
        };
        let said = || format!("menu {menu:?}, {icon}, {sentence:?}");
        self.check("the menu's headline", fits, said);
        let is_all = |text: &str| text.contains("All debug ports are closed");
        let are_closed = self.rows().iter().all(|(_, row)| *row == Row::Closed);
        self.check("the menu's headline", are_closed || !is_all(&menu), said);
        self.check("the menu's headline is short", menu.chars().count() <= 64, said);
    }

    /// Icon, mark, sentence and rows say one thing.
    fn icon(&mut self) {
        let icon = self.faces.status.json["icon"].as_str().unwrap().to_owned();
        let mark = self.faces.status.text.get(..3).unwrap_or_default().to_owned();
        let expected = [("closed", "[#]"), ("open", "[ ]"), ("off", "[/]"), ("unknown", "[?]")];
        self.check("icon", expected.contains(&(&icon, &mark)), || format!("{icon} and {mark}"));
        let rows = self.rows();
        let sentence = self.sentence().to_owned();
        let said = format!("{icon}, {sentence:?}, {rows:?}");
        let has = |wanted: &[Row]| rows.iter().any(|(_, row)| wanted.contains(row));
        if sentence.contains("All debug ports are closed") {
            self.check("all closed", rows.iter().all(|(_, row)| *row == Row::Closed), || said.clone());
        }
        let fits = match icon.as_str() {
            "closed" => !has(&[Row::MayBeOpen, Row::LetIn, Row::Unknown]) && !sentence.contains("Not known"),
            "open" => {
                has(&[Row::Open, Row::LetIn, Row::NotProtected, Row::Paused])
                    && !sentence.starts_with("Not known")
            }
            "off" => sentence.starts_with("pf is off"),
            _ => sentence.starts_with("Not known"),
        };
        self.check("icon = sentence = rows", fits, || said.clone());
        let is_off = self.faces.status.json["firewall"]["state"] == "disabled";
        let is_interrupted = self.world.interrupted.is_some() && self.world.ledger == LedgerState::Whole;
        self.check("icon off = pf off", (icon == "off") == (is_off && !is_interrupted), || said.clone());
        if is_off {
            let is_so = self.world.pf == PfState::Disabled && self.world.is_look_usable();
            self.check("pf off is seen", is_so, || said.clone());
        }
    }

    /// A count is of open rows; nothing that is not protected is counted.
    fn counts(&mut self) {
        let sentence = self.sentence().to_owned();
        let (rows, open) = (self.rows(), self.faces.status.json["open"].as_u64().unwrap());
        let of = |wanted: &[Row]| {
            let ranges = rows.iter().filter(|(_, row)| wanted.contains(row)).map(|(range, _)| *range);
            ports_in(ranges)
        };
        let said = format!("{sentence:?}, {open}, {rows:?}");
        let is_open = of(&[Row::Open, Row::Paused]);
        let let_in = if self.faces.status.json["icon"] == "open" { of(&[Row::LetIn]).len() } else { 0 };
        let is_so = open == (is_open.len() + let_in) as u64;
        self.check("JSON's count is of open rows", is_so, || said.clone());
        if self.world.ledger == LedgerState::Whole && self.world.interrupted.is_none() {
            let ledger = self.world.ledger();
            let in_ledger = ports_in(ledger.openings.iter().map(|opening| opening.port));
            self.check("what is open is counted once", is_open == in_ledger, || said.clone());
        }
        let mut counted_open = 0;
        for part in sentence.split("; ") {
            let count = part.split(' ').find_map(|word| word.parse::<usize>().ok());
            let is_counted = part.contains(" port is ") || part.contains(" ports are ");
            if let Some(count) = count.filter(|_| is_counted) {
                let is_of_open = part.contains(" is open") || part.contains(" are open");
                counted_open += if is_of_open { count } else { 0 };
                let wanted: &[Row] = match part {
                    part if part.contains("not protected") => &[],
                    part if part.contains("let in") => &[Row::LetIn],
                    part if part.contains("paused") => &[Row::Paused],
                    _ => &[Row::Open],
                };
                let is = of(wanted).len();
                self.check("a count is of such rows", is_of_open || count == is, || {
                    format!("{count} of {is}: {said}")
                });
            }
            self.check(
                "no count of what is not protected",
                !(is_counted && part.contains("not protected")),
                || said.clone(),
            );
        }
        let is_counted = counted_open == 0 || counted_open == of(&[Row::Open]).len();
        self.check("a count is of such rows", is_counted, || format!("{counted_open}: {said}"));
        // What is known open is in the sentence, whatever is unknown beside it.
        if rows.iter().any(|(_, row)| *row == Row::Open) && self.world.pf != PfState::Disabled {
            self.check("what is open is in the sentence", sentence.contains("open"), || said.clone());
        }
    }

    /// The guard is said to block only where our rules are evaluated and block.
    fn guard(&mut self) {
        let text = self.faces.status.text.clone();
        let line = text.lines().find(|line| line.trim_start().starts_with("guard ")).unwrap_or_default();
        let holds = self.world.is_look_usable()
            && self.world.are_our_rules_evaluated()
            && self.world.ledger().guard == Guard::On;
        if line.contains("on: closed ports are blocked") {
            self.check("guard on: blocked", holds, || line.to_owned());
            for (range, _) in self.rows().into_iter().filter(|(_, row)| *row == Row::Closed) {
                let got_in = self.outside(range.first()).contains(&Verdict::Pass);
                self.check("guard on: blocked", !got_in, || format!("{line} and explain lets in to {range}"));
            }
        }
        let row = self.faces.menu.iter().find(|row| row.id == "guard").unwrap().clone();
        let is_on = row.kind == RowKind::Check { checked: true };
        let is_told = ["without effect", "not known"].iter().any(|word| row.text.contains(word));
        let is_seen = self.world.is_look_usable() || row.text.contains("not known");
        self.check("the menu's guard", is_seen, || format!("{} {line}", row.text));
        let says_it_holds = is_on && !is_told;
        self.check("the menu's guard", !says_it_holds || holds, || format!("{} {line}", row.text));
    }

    /// What others did to pf is named, with what mends it.
    fn damage(&mut self) {
        if !self.world.is_look_usable() || self.world.pf != PfState::Enabled {
            return;
        }
        let (world, ledger) = (self.world, self.world.ledger());
        let notes = self.faces.status.json["notes"].to_string();
        let has = |words: &str| notes.contains(words);
        let is_uncalled = !world.calls_us() && ledger.way.is_some();
        self.check("damage: not called", !is_uncalled || has("`sudo pfctl -f /etc/pf.conf`"), || {
            notes.clone()
        });
        let is_taken = ledger.guard == Guard::On && !world.is_held;
        self.check("damage: our hold", has("our hold on pf was taken") == is_taken, || notes.clone());
        let is_held = self.faces.status.text.contains("held by the guard");
        self.check("damage: our hold", !(is_taken && is_held), || self.faces.status.text.clone());
    }

    fn port(&mut self, port: &Value) {
        let range: PortRange = port["port"].to_string().trim_matches('"').parse().unwrap();
        let (text_row, menu_row) = (self.text_row(range), self.menu_row(range));
        let line = self.text_line(range).unwrap_or_default().to_owned();
        let menu = self.faces.menu_row(&range.to_string()).cloned();
        let menu_text = menu.as_ref().map_or("", |row| &row.text).to_owned();
        let said = format!("{range}: {line:?}, {menu_text:?}, {}", port["state"]);
        self.check("each port has its row", text_row.is_some() && menu_row.is_some(), || said.clone());
        let (Some(row), Some(of_menu)) = (text_row, menu_row) else { return };
        self.check("a port's row is short", menu_text.chars().count() <= PORT_WIDTH, || said.clone());
        self.check("rows of text and menu", row == of_menu, || format!("{row:?} {of_menu:?} {said}"));
        let fits = match port["state"].as_str().unwrap() {
            "open" => matches!(row, Row::Open | Row::InPart | Row::Paused),
            "closed" => row == Row::Closed,
            "let-in" => row == Row::LetIn,
            "unmanaged" => row == Row::NotProtected,
            "may-be-open" => row == Row::MayBeOpen,
            _ => row == Row::Unknown,
        };
        self.check("rows and JSON", fits, || format!("{row:?} {said}"));
        self.mark(menu.as_ref(), row, &said);
        self.known_open(range, row, &said);
        self.row_by_explain(range, row, &format!("{line} {menu_text}"), &said);
        self.this_network(range, &format!("{line} {menu_text}"), &said);
        self.reach(range, port, &said);
        // Of a range that is open in parts what is said of a port in use is its own.
        let about = port["about"].as_u64().and_then(|about| PortRange::single(u16::try_from(about).ok()?));
        let is_in_use = port["in_use"] == true;
        self.next_step(about.filter(|_| is_in_use).unwrap_or(range), port);
    }

    /// What may be open has its mark, and a click closes it; nothing else has one.
    fn mark(&mut self, menu: Option<&MenuRow>, row: Row, said: &str) {
        let Some(menu) = menu else { return };
        let is_checked = menu.kind == RowKind::Check { checked: true };
        let is_open = matches!(row, Row::Open | Row::InPart | Row::Paused | Row::MayBeOpen);
        self.check("the mark", is_checked == is_open, || said.to_owned());
        let closes = matches!(menu.action, Some(portcullis::menu::MenuAction::Close(_)));
        self.check("a click closes what is open", closes == is_open, || said.to_owned());
    }

    /// Unknown never hides what the ledger has open, and nothing else is open.
    fn known_open(&mut self, range: PortRange, row: Row, said: &str) {
        if self.world.ledger == LedgerState::Damaged {
            return;
        }
        let is_open = self.world.opening(range).is_some();
        let may_be = self.world.interrupted.as_ref().is_some_and(|port| port.range.overlaps(range));
        let fits = match row {
            Row::Open | Row::InPart | Row::Paused => is_open,
            Row::MayBeOpen => may_be,
            _ => !is_open && !may_be,
        };
        self.check("what is open is open by the ledger", fits, || said.to_owned());
        if is_open && !self.world.is_look_usable() {
            let is_told = said.contains("not seen since") || said.contains("not looked at");
            self.check("not seen since", is_told || may_be, || said.to_owned());
        }
    }

    /// What explain says of a client now, by the rules that root last saw, whoever may read them.
    fn verdict(&self, port: u16, client: &str) -> Verdict {
        let asked = |said: &Said| match client {
            "network" | "anyone" | "loopback" => {
                let of = &said.json["answers"][client];
                let both = [of["inet"].as_str(), of["inet6"].as_str()];
                match () {
                    // Where pf is off, or nothing is known, no rule was asked.
                    () if of.is_null() => one(said.json["verdict"].as_str()),
                    () if both.contains(&Some("pass")) => Verdict::Pass,
                    () if both == [Some("block"); 2] => Verdict::Block,
                    () if both.iter().all(Option::is_some) => Verdict::Unknown,
                    () => panic!("{of}"),
                }
            }
            _ => one(said.json["verdict"].as_str()),
        };
        let printed = self.faces.explain.get(&(port, client.to_owned()));
        match printed.filter(|_| self.world.may_read_rules) {
            Some(said) => asked(said),
            None => {
                let reader = World { has_preferences: true, ..self.world.clone() };
                asked(&explained(&reader, &self.rules, port, client))
            }
        }
    }

    fn outside(&self, port: u16) -> [Verdict; 2] {
        [self.verdict(port, "network"), self.verdict(port, "anyone")]
    }

    /// A row's word is what explain says of those that it names.
    fn row_by_explain(&mut self, range: PortRange, row: Row, text: &str, said: &str) {
        let is_single = range.as_single().is_some();
        if !self.world.is_look_usable() || !is_single || self.is_skip_unread() {
            return;
        }
        let port = range.first();
        let outside = self.outside(port);
        let what = || format!("explain {outside:?}, {said}");
        let is_doubted = text.contains("who gets in is not known");
        let is_here = self.world.opening(range).is_none_or(|opening| self.is_of_this_network(&opening));
        let near = self.verdict(port, &self.client_of(range, "network"));
        let is_unknown = outside.contains(&Verdict::Unknown) || near == Verdict::Unknown;
        let has_doubt = self.is_moved() || !is_here || is_unknown;
        self.check("doubted where it is in doubt", !is_doubted || has_doubt, what);
        match row {
            Row::Closed => self.check("closed", !outside.contains(&Verdict::Pass), what),
            Row::Paused if is_doubted => {}
            Row::Paused => self.check("paused", !outside.contains(&Verdict::Pass), what),
            Row::LetIn if !self.is_moved() && !text.contains("some") => {
                let by_name = self.faces.status.json["ports"].to_string().contains("exceptions");
                self.check("let in", outside.contains(&Verdict::Pass) || by_name, what);
            }
            Row::Open
                if self.world.pf == PfState::Enabled
                    && !is_doubted
                    && !text.contains("yet another rule blocks it") =>
            {
                let Some(opening) = self.world.opening(range) else { return };
                let named = match &opening.from {
                    Source::Lan { .. } if text.contains("this network") => outside[0],
                    Source::Lan { .. } => return,
                    // For whom, the row does not say.
                    Source::Hosts { .. } | Source::Any if opening.is_paused() => return,
                    Source::Any => self.verdict(port, "anyone"),
                    Source::Hosts { hosts } => self.verdict(port, &hosts[0].addr().to_string()),
                };
                // What a rule of others does on an interface that this Mac had not when root looked, root sees within a minute.
                let is_by_interface = self.world.others.iter().any(|(_, rules)| rules.contains(" on en"));
                if self.is_moved() && is_by_interface {
                    return;
                }
                let is_blocked = text.contains("yet another rule blocks");
                let is_right = if is_blocked { named != Verdict::Pass } else { named != Verdict::Block };
                self.check("open for whom explain lets in", is_right, || {
                    format!("explain {named:?}, {said}")
                });
                let others_too = outside[1] == Verdict::Pass && opening.from != Source::Any;
                let is_told = text.contains("others") || text.contains("not kept out");
                self.check("others that get in are told of", !others_too || is_told, what);
            }
            _ => {}
        }
    }

    /// "This network" is one that this Mac is on.
    fn this_network(&mut self, range: PortRange, text: &str, said: &str) {
        let is_here = self.world.opening(range).is_none_or(|opening| self.is_of_this_network(&opening));
        self.check("this network is this one", !text.contains(" for this network") || is_here, || {
            said.to_owned()
        });
    }

    /// Whether this Mac is on a network that the port is open for, where it is open for networks.
    fn is_of_this_network(&self, opening: &Opening) -> bool {
        let Source::Lan { networks } = &opening.from else { return true };
        let here = self.world.here.interfaces();
        let is_on = |network: &ipnet::IpNet| {
            here.iter().flat_map(|one| &one.addresses).any(|own| network.contains(&own.addr()))
        };
        networks.iter().filter(|network| network.addr().is_ipv4()).any(is_on)
    }

    fn is_skip_unread(&self) -> bool {
        self.world.skip == super::world::Skip::Unread
    }

    /// Whether this Mac is elsewhere than when root looked.
    fn is_moved(&self) -> bool {
        self.world.then.interfaces() != self.world.here.interfaces()
    }

    /// "Can reach it" and "blocks it" are what explain says.
    fn reach(&mut self, range: PortRange, port: &Value, said: &str) {
        let Some(about) = port["about"].as_u64().and_then(|about| u16::try_from(about).ok()) else { return };
        let because = port["because"].as_str().unwrap().to_owned();
        let what = format!("{because:?}, {said}");
        self.claim(about, range, &because, &what);
        let listener = self.world.listeners.iter().find(|found| found.port == about);
        let is_outside = listener.is_some_and(super::world::Listener::is_outside);
        for (origin, answer) in port["reachable"].as_object().unwrap() {
            let Some("yes") = answer.as_str() else { continue };
            if origin != "loopback" {
                self.check("reachable from outside listens there", is_outside, || what.clone());
                let client = self.client_of(PortRange::single(about).unwrap_or(range), origin);
                let verdict = self.verdict(about, &client);
                self.check("reachable as explain says", verdict == Verdict::Pass, || {
                    format!("{origin} ({client}) {verdict:?}, {what}")
                });
            }
        }
        if self.is_comparable() {
            for (origin, answer) in port["pf"].as_object().unwrap() {
                let verdict = self.verdict(about, &self.client_of(range, origin));
                let fits = match answer.as_str() {
                    Some("yes") => verdict == Verdict::Pass,
                    Some("no") => verdict == Verdict::Block,
                    _ => true,
                };
                self.check("pf's answer is explain's", fits || range.as_single().is_none(), || {
                    format!("{origin} {answer} {verdict:?}, {what}")
                });
            }
        }
    }

    fn is_comparable(&self) -> bool {
        self.world.is_look_usable()
            && !self.is_moved()
            && !self.is_skip_unread()
            && self.world.interrupted.is_none()
    }

    /// "This network" of a port that is open for chosen hosts is those, unless it pauses.
    fn client_of(&self, range: PortRange, origin: &str) -> String {
        let opening = self.world.opening(range).filter(|opening| !opening.is_paused());
        match opening.map(|opening| opening.from) {
            Some(Source::Hosts { hosts }) if origin == "network" => hosts[0].addr().to_string(),
            _ => origin.to_owned(),
        }
    }

    /// What a sentence claims of who gets in is what explain says of them.
    fn claim(&mut self, port: u16, range: PortRange, sentence: &str, what: &str) {
        // What is said of a port in use is its own, in whatever range it is shown.
        let is_used = self.world.listeners.iter().any(|found| found.port == port);
        let own = PortRange::single(port).filter(|_| is_used).unwrap_or(range);
        let host = self.client_of(own, "network");
        let mut claims: Vec<(String, Verdict)> = Vec::new();
        let mut add = |client: &str, verdict| claims.push((client.to_owned(), verdict));
        if let Some((before, _)) = sentence.split_once(" can reach it") {
            match () {
                () if before.ends_with("every machine that finds this Mac") => {
                    add(&host, Verdict::Pass);
                    add("anyone", Verdict::Pass);
                }
                () if before.ends_with("the machines of this network") => add("network", Verdict::Pass),
                () if before.contains("every machine but") => add("anyone", Verdict::Pass),
                () if before.ends_with("only this Mac") => {}
                () => add(&host, Verdict::Pass),
            }
        }
        if sentence.contains("from other machines (") && sentence.starts_with("pf blocks") {
            add(&host, Verdict::Block);
            add("anyone", Verdict::Block);
        }
        if sentence.starts_with("pf blocks port") && sentence.contains("from everywhere") {
            add("loopback", Verdict::Block);
        }
        for (client, expected) in claims {
            let found = self.verdict(port, &client);
            self.claims += 1;
            // On another network than root looked on, its machines may be those that the sentence excepts.
            let is_excepted = self.is_moved() && sentence.contains("; but a rule of others lets ");
            let is_denied = found != expected && !is_excepted;
            self.check("no \"can reach it\" that explain denies", !is_denied, || {
                format!("{client}: explain {found:?}; {what}")
            });
        }
    }

    /// The next step is for those that the port is open for.
    fn next_step(&mut self, range: PortRange, port: &Value) {
        let next = port["next"].as_str().unwrap().to_owned();
        self.step_for(range, self.known_opening(range), &next);
    }

    fn step_for(&mut self, range: PortRange, opening: Option<Opening>, next: &str) {
        let said = || format!("{range}, open for {:?}: {next}", opening.as_ref().map(|open| &open.from));
        let is_open = opening.as_ref().is_some_and(|opening| !opening.is_paused());
        let starts = next.starts_with("start the debugger first: `");
        let on_loopback = next.contains("127.0.0.1") && !next.contains("SSH tunnel");
        self.check("start it for those it is open for", !(is_open && starts && on_loopback), said);
        let everywhere =
            ["=:", "0.0.0.0", "address=*", "listen :", "-port :"].iter().any(|word| next.contains(word));
        let is_there = next.contains("in the container or VM");
        let is_told = next.contains("listens on every address");
        self.check("start it for this Mac alone", is_open || !everywhere || is_told || is_there, said);
        let opens = next.contains("`portcullis open") && !next.starts_with("let it in");
        let is_here = opening.as_ref().is_none_or(|opening| self.is_of_this_network(opening));
        self.check("no opening of what is open", !(is_open && opens && is_here), said);
        // Another rule, or the guard, is what is to be looked at where nothing is open.
        let may_be = self.world.interrupted.is_some();
        let looks = next.contains("status --check");
        let is_known = self.world.is_look_usable() && self.world.pf == PfState::Enabled && !self.is_moved();
        let is_asked = looks && is_known && !may_be && !self.is_skip_unread();
        let is_looked_at = self.world.managed.iter().any(|port| port.range == range) || is_open;
        let host = self.verdict(range.first(), &self.client_of(range, "network"));
        let unknown = host == Verdict::Unknown || self.outside(range.first()).contains(&Verdict::Unknown);
        self.check("root is to look only where it has not", !is_asked || !is_looked_at || unknown, said);
    }

    /// By the ledger, or where that does not read by what root saw.
    fn known_opening(&self, range: PortRange) -> Option<Opening> {
        let is_known = self.world.ledger == LedgerState::Whole || self.world.is_look_usable();
        self.world.opening(range).filter(|_| is_known)
    }

    fn doctor(&mut self) {
        let Some(doctor) = &self.faces.doctor else { return };
        let (json, text) = (doctor.json.clone(), doctor.text.clone());
        let of_status = self.faces.status.json.clone();
        for port in json["ports"].as_array().unwrap() {
            let number = port["port"].as_u64().unwrap();
            let range = PortRange::single(u16::try_from(number).unwrap()).unwrap();
            let same = of_status["ports"].as_array().unwrap().iter().find(|row| row["about"] == number);
            if let Some(same) = same {
                for key in [("sentence", "because"), ("reach", "reachable"), ("state", "situation")] {
                    let (one, other) = (&port[key.0], &same[key.1]);
                    let is_same = match (one.as_str(), other.as_str()) {
                        (Some(one), Some(other)) => other.starts_with(one),
                        _ => one == other || same["port"] != port["port"],
                    };
                    self.check("doctor and status", is_same, || format!("{number}: {one} {other}"));
                }
            }
            let sentence = port["sentence"].as_str().unwrap().to_owned();
            self.claim(range.first(), range, &sentence, &format!("doctor on {number}: {sentence}"));
            self.step_for(range, self.known_opening(range), port["next_step"].as_str().unwrap());
        }
        let rules_hold = self.world.is_look_usable() && self.world.are_our_rules_evaluated();
        let claims = text.contains("our rules are loaded");
        self.check("doctor: our rules", !claims || rules_hold, || text.clone());
        let is_on = text.contains("pf: pf is on");
        let may_be_on = self.world.is_look_usable() && self.world.pf == PfState::Enabled;
        self.check("doctor: pf", !is_on || may_be_on, || text.clone());
        if self.world.is_look_usable() && self.world.pf == PfState::Enabled && self.world.guard == Guard::On {
            let is_lost = !self.world.are_our_rules_evaluated() && !self.world.managed.is_empty();
            let is_told = json["findings"]
                .as_array()
                .unwrap()
                .iter()
                .any(|found| found["level"] == "problem" && found["about"] == "pf");
            self.check("doctor: damage is a problem", !is_lost || is_told || self.is_skip_unread(), || {
                text.clone()
            });
        }
    }

    fn connect(&mut self) {
        for ((port, client), run) in &self.faces.connect {
            let Ok(said) = run else { continue };
            let range = PortRange::single(*port).unwrap();
            let what = format!("connect {port} --client {client}: {}", said.text);
            let same =
                self.faces.status.json["ports"].as_array().unwrap().iter().find(|row| row["about"] == *port);
            if let Some(same) = same {
                let is_same =
                    same["because"].as_str().unwrap().starts_with(said.json["because"].as_str().unwrap());
                let is_of_range = same["port"] != said.json["port"];
                let same_reach = is_of_range || same["reachable"] == said.json["reachable"];
                self.check("connect and status", is_same && same_reach, || {
                    format!("{} {what}", same["because"])
                });
                let is_kept_out = said.text.contains(" is not let in");
                let lets_in = is_kept_out && self.verdict(*port, client) == Verdict::Pass;
                self.check("let in as explain says", !lets_in, || what.clone());
                // Another machine was said to know this Mac by a name, which stands there.
                let steps = [&same["next"], &said.json["next"]].map(|step| step.as_str().unwrap());
                let [of_status, of_connect] = steps.map(|step| step.split("USER@").next());
                let is_here = *client == "here";
                let same_next =
                    is_of_range || if is_here { steps[0] == steps[1] } else { of_status == of_connect };
                self.check("one next step", same_next || is_kept_out, || format!("{} {what}", same["next"]));
            }
            self.claim(*port, range, said.json["because"].as_str().unwrap(), &what);
            self.step_for(range, self.known_opening(range), said.json["next"].as_str().unwrap());
            self.addresses(*port, client, said, &what);
        }
    }

    /// An address that a client is told to use is one of this Mac's now, and one by which that client gets in.
    fn addresses(&mut self, port: u16, client: &str, said: &Said, what: &str) {
        let own: Vec<String> = self
            .world
            .here
            .interfaces()
            .iter()
            .flat_map(|one| &one.addresses)
            .map(|net| net.addr().to_string())
            .collect();
        let advice = said.text.lines().find_map(|line| line.strip_prefix("on another machine: write "));
        if let Some((list, _)) = advice.and_then(|advice| advice.split_once(" instead")) {
            for address in list.split(" or ") {
                self.check("connect's address is this Mac's", own.iter().any(|own| own == address), || {
                    what.to_owned()
                });
            }
            let gets_in = self.outside(port).contains(&Verdict::Pass)
                || self.verdict(port, &self.client_of(PortRange::single(port).unwrap(), "network"))
                    == Verdict::Pass;
            self.check("connect's advice for others", gets_in, || what.to_owned());
        }
        if client != "here" {
            let is_near = self.world.here.is_near(client.parse().unwrap());
            let of_home: Vec<&String> = own.iter().filter(|own| own.starts_with("192.168.1.")).collect();
            let names_home = said.json["settings"].to_string().contains("192.168.1.10");
            self.check(
                "connect's address is of the client's network",
                !names_home || !of_home.is_empty(),
                || format!("near: {is_near}; {what}"),
            );
        }
    }

    fn lengths(&mut self) {
        let json = self.faces.status.json.clone();
        let mut sentences = vec![json["sentence"].as_str().unwrap().to_owned()];
        for port in json["ports"].as_array().unwrap() {
            sentences.extend([&port["because"], &port["next"]].map(|text| text.as_str().unwrap().to_owned()));
        }
        for sentence in sentences {
            let length = sentence.chars().count();
            self.check("160 characters", length <= LONGEST, || format!("{length}: {sentence}"));
        }
    }

    /// What is said of one port does not become unknown because another is open.
    fn others_stay_known(&mut self) {
        let world = self.world;
        if world.ledger != LedgerState::Whole || world.openings.is_empty() {
            return;
        }
        let index = world.openings.len() / 2;
        {
            let mut without = world.clone();
            let opening = without.openings.remove(index);
            let before = without.prepare(self.files).observe().status;
            for port in before.ports.iter().filter(|port| !port.port.overlaps(opening.port)) {
                let now = self.text_row(port.port);
                let is_known = port.state != portcullis::status::PortState::Unknown;
                self.check(
                    "no opening makes another port unknown",
                    !is_known || now != Some(Row::Unknown),
                    || format!("{} with {} open", port.port, opening.port),
                );
            }
        }
    }

    /// The rows as the text of `status` has them.
    fn rows(&self) -> Vec<(PortRange, Row)> {
        let ports = self.faces.status.json["ports"].as_array().unwrap();
        let ranges =
            ports.iter().map(|port| port["port"].to_string().trim_matches('"').parse::<PortRange>().unwrap());
        ranges.filter_map(|range| Some((range, self.text_row(range)?))).collect()
    }

    fn text_line(&self, range: PortRange) -> Option<&str> {
        let begins = format!("  {:<11} ", range.to_string());
        self.faces.status.text.lines().find(|line| line.starts_with(&begins))
    }

    fn text_row(&self, range: PortRange) -> Option<Row> {
        let rest = self.text_line(range)?.get(25..)?;
        read_row(rest)
    }

    fn menu_row(&self, range: PortRange) -> Option<Row> {
        read_row(self.faces.menu_row(&range.to_string())?.text.split_once(" — ")?.1)
    }
}

/// What a row begins with, in either face.
fn read_row(text: &str) -> Option<Row> {
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    Some(match () {
        () if begins(&["may be open"]) => Row::MayBeOpen,
        () if begins(&["open in part", "paused in part", "about to pause in part"]) => Row::InPart,
        () if begins(&["paused"]) => Row::Paused,
        () if begins(&["open", "about to pause"]) => Row::Open,
        () if begins(&["closed in our rules, yet let in", "let in"]) => Row::LetIn,
        () if begins(&["closed"]) => Row::Closed,
        () if begins(&["not protected yet"]) => Row::Unknown,
        () if begins(&["not protected"]) => Row::NotProtected,
        () if begins(&["unknown", "not known"]) => Row::Unknown,
        () => return None,
    })
}

fn one(verdict: Option<&str>) -> Verdict {
    match verdict {
        Some("pass") => Verdict::Pass,
        Some("block") => Verdict::Block,
        _ => Verdict::Unknown,
    }
}

fn ports_in(ranges: impl Iterator<Item = PortRange>) -> std::collections::BTreeSet<u16> {
    ranges.flat_map(|range| range.first()..=range.last()).collect()
}
