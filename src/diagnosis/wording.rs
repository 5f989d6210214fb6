//! The words for a [`Situation`], in English. Another language is another file with the same three functions; what
//! is decided here is only how to say it.

use super::answer::Answer;
use super::situation::{AppFirewallEffect, Bind, Cause, Presence, Reachability, Session, Situation};
use crate::pf::origin::PerOrigin;

/// What the sentences speak of. Texts come from the system: the caller escapes what may hold control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    /// The port, or the range, as it is written.
    pub port: String,
    /// The program, such as `dlv dap (4711)`; `None` where it is not known.
    pub program: Option<String>,
    /// By what it is known which debugger it is, where its own command line does not say so.
    pub named_by: Option<&'static str>,
    /// The addresses it listens on, such as `127.0.0.1`.
    pub addresses: Vec<String>,
    /// Who is being served, such as `goland (99)` or `192.168.1.20`.
    pub client: Option<String>,
    /// How many connections wait to be accepted.
    pub waiting: Option<u32>,
    /// The option that makes it listen for other machines, such as `--listen=:2345`.
    pub listen_everywhere: Option<String>,
    /// The option that makes it listen on IPv4 loopback, such as `--listen=127.0.0.1:2345`.
    pub listen_v4: Option<String>,
    /// The option that makes it take several clients, such as `--accept-multiclient`.
    pub take_many: Option<String>,
    /// The commands that start the debugger that is expected there, where one is.
    pub start: Option<StartCommands>,
    /// The chosen hosts that stand in place of "this network", such as `192.168.1.20`.
    pub near: Option<String>,
    /// Whether it is an editor, which waits for what it debugs to connect.
    pub awaits_debuggee: bool,
    /// Whether a client of the program can run code: it is a debugger.
    pub runs_code: bool,
    /// Whether the program is known not to be a debugger.
    pub is_other: bool,
    /// Whether there is a program of which it is not known that it is a debugger, nor that it may hold one.
    pub is_strange: bool,
    /// The program's file, as a word of a shell.
    pub program_file: Option<String>,
    /// Where to look, and for what, where the program forwards the port.
    pub behind: Option<String>,
    /// Whether our own rules let it in, so that it is another's rule where pf blocks it.
    pub is_open: bool,
    /// Whether they let other machines in again only on its network.
    pub is_paused: bool,
    /// Whether they let in the machines of another network than this Mac is on.
    pub is_elsewhere: bool,
    /// Whether they let in the machines of a network, while this Mac is on none.
    pub is_offline: bool,
    /// Whether they let other machines in again by themselves, once this Mac is seen on its network.
    pub is_awaited: bool,
    /// Why pf blocks it, where it does.
    pub pf_blocks: Option<String>,
    /// Why it is not known what pf does, where it is not.
    pub pf_unknown: Option<String>,
    /// The command that shows what pf's answer depends on, where root has looked at pf and it is not known all the same.
    pub explain: Option<String>,
    /// The clients that fare otherwise than pf's other clients, each as a clause.
    pub exceptions: Vec<String>,
    /// Whether that is because a change was interrupted.
    pub is_interrupted: bool,
    /// The debugger that was told to listen there and does not, where there is one.
    pub told_in_vain: Option<ToldInVain>,
}

/// A debugger that was told to listen on a port and runs without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldInVain {
    /// That it does not listen, and why, as a sentence.
    pub what: String,
    pub next: String,
    /// Whether another process has the port.
    pub is_taken: bool,
}

/// The commands that start a debugger on a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartCommands {
    /// It listens on loopback only; `None` where it cannot do that.
    pub on_loopback: Option<String>,
    /// It listens on every address; `None` where it cannot do that.
    pub everywhere: Option<String>,
    /// What to do where no command starts it, as a next step.
    pub by_hand: Option<&'static str>,
}

/// What stands in a command for this Mac's name, which the machine where it is typed knows it by.
pub const THIS_MAC: &str = "THIS-MAC";

impl Wording {
    /// The program, as a subject.
    pub fn program(&self) -> &str {
        self.program.as_deref().unwrap_or("an unknown program")
    }

    fn addresses(&self) -> String {
        if self.addresses.is_empty() { "an unknown address".to_owned() } else { self.addresses.join(" and ") }
    }

    fn client(&self) -> &str {
        self.client.as_deref().unwrap_or("an unknown client")
    }
}

/// The most characters of a sentence that is read at a glance.
const LONGEST: usize = 160;

/// [`sentence`], without the reasons, and then without the exceptions, where it would be long: `explain` has them.
pub fn brief_sentence(situation: &Situation, subject: &Wording) -> String {
    let is_long = |text: &String| text.chars().count() > LONGEST;
    let whole = sentence(situation, subject);
    if !is_long(&whole) {
        return whole;
    }
    let bare = Wording { pf_blocks: None, pf_unknown: None, ..subject.clone() };
    let without_reasons = sentence(situation, &bare);
    if !is_long(&without_reasons) || subject.exceptions.is_empty() {
        return without_reasons;
    }
    let exceptions =
        vec![format!("rules of others name some clients (`portcullis explain {}`)", subject.port)];
    sentence(situation, &Wording { exceptions, ..bare })
}

/// The state as one sentence, without the full stop.
pub fn sentence(situation: &Situation, subject: &Wording) -> String {
    let port = &subject.port;
    match (situation.state(), situation.causes().first()) {
        (Reachability::Unknown, Some(first)) => {
            format!("whether port {port} can be reached is not known: {}", cause(*first, situation, subject))
        }
        (Reachability::Reachable | Reachability::Unknown, _) => {
            let (who, but) = (who_reaches(situation.reach(), subject), exceptions(subject));
            let risk = if subject.runs_code && situation.reach().anyone == Answer::Yes {
                " and run code as you"
            } else {
                ""
            };
            format!(
                "{} listens on {}, and {who} can reach it{risk}{but}",
                subject.program(),
                subject.addresses()
            )
        }
        (Reachability::BlockedByPf, Some(first)) => cause(*first, situation, subject) + &exceptions(subject),
        (_, Some(first)) => cause(*first, situation, subject),
        (_, None) => String::new(),
    }
}

/// A cause as one clause.
pub fn cause(cause: Cause, situation: &Situation, subject: &Wording) -> String {
    let port = &subject.port;
    let program = subject.program();
    let addresses = subject.addresses();
    match (cause.state, cause.certain) {
        (Reachability::NoListener, true) => format!("nothing listens on port {port}"),
        (Reachability::NoListener, false) => format!("who listens on port {port} could not be read"),
        (Reachability::Bricked, true) => format!(
            "{program} still runs, but no longer listens on port {port} and serves no client: something connected and left"
        ),
        (Reachability::Bricked, false) => {
            format!("{program} runs, but does not listen on port {port}; it may be serving a client")
        }
        (Reachability::InSession, true) => match situation.session {
            Session::Open { takes_many: Answer::Yes } => {
                format!("{program} is in session with {}, and takes further clients", subject.client())
            }
            Session::Open { takes_many: Answer::Unknown } => {
                format!(
                    "{program} is in session with {}; whether it takes another client is not known",
                    subject.client()
                )
            }
            _ => format!("{program} is in session with {}, and takes no other client", subject.client()),
        },
        (Reachability::InSession, false) => format!("{program} may be serving another client"),
        (Reachability::Wedged, true) => match subject.waiting {
            Some(1) => {
                format!("{program} listens on port {port}, but a connection waits and is not accepted")
            }
            Some(count) => {
                format!("{program} listens on port {port}, but {count} connections wait and none is accepted")
            }
            None => format!("{program} listens on port {port}, but accepts no connection"),
        },
        (Reachability::Wedged, false) => format!("{program} may have stopped accepting connections"),
        (Reachability::Forwarded, _) => {
            format!("{program} forwards port {port}; what listens at the other end was not verified")
        }
        (Reachability::BlockedEverywhere, _) => {
            format!(
                "pf blocks port {port} from everywhere, from this Mac too{}",
                in_parentheses(&subject.pf_blocks)
            )
        }
        (Reachability::WrongFamily, _) => {
            format!(
                "{program} listens on {addresses} only: clients that use IPv4, 127.0.0.1 among them, do not find it"
            )
        }
        (Reachability::LoopbackOnly, _) => {
            format!("{program} listens on {addresses} only: other machines cannot reach it, whatever pf does")
        }
        (Reachability::BlockedByPf, true) => {
            format!("pf blocks port {port} from other machines{}", in_parentheses(&subject.pf_blocks))
        }
        (Reachability::BlockedByPf, false) => {
            format!("pf may block port {port}{}", in_parentheses(&subject.pf_unknown))
        }
        (Reachability::BlockedByAppFirewall, true) => match situation.app_firewall {
            AppFirewallEffect::BlocksAll => {
                "the Application Firewall blocks all incoming connections".to_owned()
            }
            _ => format!("the Application Firewall blocks incoming connections to {program}"),
        },
        (Reachability::BlockedByAppFirewall, false) => match situation.app_firewall {
            AppFirewallEffect::Asks => format!("the Application Firewall is on, and may block {program}"),
            _ => "the Application Firewall could not be read".to_owned(),
        },
        (Reachability::Unknown | Reachability::Reachable, _) => String::new(),
    }
}

/// What to do now, as one sentence without the full stop.
pub fn next_step(situation: &Situation, subject: &Wording) -> String {
    let port = &subject.port;
    let first = situation.causes().first().copied();
    if subject.is_other {
        let program = subject.program().trim_end_matches(',');
        return format!("start the debugger on another port, or stop {program}, which has port {port}");
    }
    match situation.state() {
        Reachability::NoListener => start_step(subject),
        Reachability::Bricked => {
            "stop it and start it again; testing its port with nc or telnet is what breaks it".to_owned()
        }
        Reachability::InSession => match (situation.session, &subject.take_many) {
            (Session::Open { takes_many: Answer::Yes }, _) => format!("connect another client, if you want to: `portcullis connect {port}` prints the settings"),
            (_, Some(option)) => format!("end that session, or restart it with `{option}`"),
            _ => "end that session, or start a second debugger on another port".to_owned(),
        },
        Reachability::Wedged => "stop it and start it again; clients that wait there will get no answer".to_owned(),
        Reachability::Forwarded => match &subject.behind {
            Some(step) => step.clone(),
            None => format!("look at the debugger at the other end of {}", subject.program()),
        },
        Reachability::BlockedEverywhere => format!("see which rule blocks it: `portcullis explain {port}`"),
        Reachability::WrongFamily => match (&subject.listen_v4, situation.bind.v6) {
            _ if subject.is_open && subject.listen_everywhere.is_some() => {
                let option = subject.listen_everywhere.as_deref().unwrap_or_default();
                format!("restart it with `{option}`, so that clients of each family find it")
            }
            (Some(option), _) => format!("restart it with `{option}`, or let the client use [::1]:{port}"),
            (None, Bind::Loopback) => format!("let the client use [::1]:{port}"),
            (None, _) => "let the client use an IPv6 address of this Mac".to_owned(),
        },
        Reachability::LoopbackOnly if subject.awaits_debuggee => format!(
            "on this Mac, debug as it is; for what runs on another machine use an SSH tunnel from here: \
             `ssh -R {port}:127.0.0.1:{port} USER@OTHER-MACHINE`"
        ),
        Reachability::LoopbackOnly => {
            let tunnel = tunnel(port);
            match &subject.listen_everywhere {
                // Where it is not open, more addresses to listen on help no client.
                Some(option) if subject.is_open => {
                    format!("on this Mac, connect to it as it is; for others restart it with `{option}`, or use {tunnel}")
                }
                _ => format!("on this Mac, connect to it as it is; for another machine use {tunnel}"),
            }
        }
        Reachability::BlockedByPf if subject.is_awaited => {
            "wait until this Mac is on its network, where it opens again by itself".to_owned()
        }
        Reachability::BlockedByPf if subject.is_paused => open_here(port),
        Reachability::BlockedByPf if subject.is_open => format!("see which rule blocks it: `portcullis explain {port}`"),
        Reachability::BlockedByPf if subject.is_strange => format!(
            "it is not known as a debugger; if it is one, open it for this network: `portcullis open {port} --from lan`"
        ),
        Reachability::BlockedByPf => format!("open it for this network: `portcullis open {port} --from lan`"),
        Reachability::BlockedByAppFirewall => match situation.app_firewall {
            AppFirewallEffect::BlocksAll => {
                "turn \u{201c}Block all incoming connections\u{201d} off in System Settings, Network, Firewall".to_owned()
            }
            _ => match &subject.program_file {
                Some(file) => format!(
                    "allow it: `sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp {file}`"
                ),
                None => "allow the program in System Settings, Network, Firewall, Options".to_owned(),
            },
        },
        Reachability::Unknown => match first.map(|cause| cause.state) {
            Some(Reachability::BlockedByPf) if subject.is_interrupted => {
                "undo that change: `portcullis repair`".to_owned()
            }
            Some(Reachability::BlockedByPf) if subject.is_elsewhere => open_here(port),
            Some(Reachability::BlockedByPf) if subject.is_offline => {
                "connect this Mac to a network: no other machine reaches it before".to_owned()
            }
            Some(Reachability::BlockedByPf) if let Some(command) = &subject.explain => {
                format!("see what it depends on: `{command}`")
            }
            Some(Reachability::BlockedByPf) => "look at pf now, which asks for permission: `portcullis status --check`".to_owned(),
            Some(Reachability::BlockedByAppFirewall) => {
                "see whether the program is allowed in System Settings, Network, Firewall, Options".to_owned()
            }
            Some(Reachability::Wedged) => "look again in a few seconds".to_owned(),
            _ if situation.presence == Presence::Unknown => "see why: `portcullis doctor`".to_owned(),
            _ => "ask the owner of that process, or look again as root".to_owned(),
        },
        Reachability::Reachable if subject.is_strange => {
            "it is not known as a debugger: let the debugger listen on another port".to_owned()
        }
        Reachability::Reachable if subject.program.is_none() => {
            "see whose program it is: `sudo portcullis status`".to_owned()
        }
        Reachability::Reachable => format!("connect: `portcullis connect {port}` prints the settings"),
    }
}

/// `; but a rule of others lets 203.0.113.0/24 in`
fn exceptions(subject: &Wording) -> String {
    match subject.exceptions.as_slice() {
        [] => String::new(),
        clauses => format!("; but {}", clauses.join(", and ")),
    }
}

fn who_reaches(reach: PerOrigin<Answer>, subject: &Wording) -> String {
    let near = subject.near.as_deref();
    match (reach.network, reach.anyone) {
        (Answer::Yes, Answer::Yes) => "every machine that finds this Mac".to_owned(),
        (Answer::Yes, _) => near.unwrap_or("the machines of this network").to_owned(),
        (_, Answer::Yes) => format!("every machine but {}", near.unwrap_or("those of this network")),
        _ => "only this Mac".to_owned(),
    }
}

/// How the debugger is started: on every address only where the port is open for others, since a client of a debugger
/// can run what it likes.
fn start_step(subject: &Wording) -> String {
    let StartCommands { on_loopback, everywhere, by_hand } = subject.start.clone().unwrap_or_default();
    match (subject.is_open, on_loopback, everywhere) {
        (_, None, None) => by_hand.unwrap_or("start the debugger first, then its client").to_owned(),
        (true, _, Some(command)) => {
            format!("start the debugger first: `{command}`; each client that is let in can run code as you")
        }
        (true, Some(command), None) => format!(
            "start the debugger first: `{command}`; it listens on loopback only, so other machines need {}",
            tunnel(&subject.port)
        ),
        (false, Some(command), _) => format!("start the debugger first: `{command}`"),
        (false, None, Some(command)) => {
            let outside = match subject.pf_blocks {
                Some(_) => ", and pf keeps other machines out",
                None => ", so keep other machines out with the guard: `portcullis guard on`",
            };
            format!("start the debugger first: `{command}`; it listens on every address{outside}")
        }
    }
}

fn open_here(port: &str) -> String {
    format!("open it for the network that this Mac is on now: `portcullis open {port}`")
}

fn tunnel(port: &str) -> String {
    format!("an SSH tunnel: `ssh -L {port}:127.0.0.1:{port} USER@{THIS_MAC}`")
}

fn in_parentheses(why: &Option<String>) -> String {
    why.as_ref().map_or_else(String::new, |why| format!(" ({why})"))
}

#[cfg(test)]
mod tests {
    use super::super::{Assessment, Queue};
    use super::*;
    use crate::pf::origin::Both;

    fn base() -> Situation {
        Situation {
            presence: Presence::Listens,
            bind: Both::same(Bind::Every),
            session: Session::None,
            queue: Queue::Empty,
            pf: pf(Answer::Yes, Answer::Yes, Answer::No),
            app_firewall: AppFirewallEffect::Off,
        }
    }

    fn pf(loopback: Answer, network: Answer, anyone: Answer) -> PerOrigin<Both<Answer>> {
        PerOrigin { loopback, network, anyone }.map(Both::same)
    }

    fn subject() -> Wording {
        Wording {
            port: "2345".into(),
            program: Some("dlv dap (4711)".into()),
            named_by: None,
            addresses: vec!["127.0.0.1".into()],
            client: Some("goland (99)".into()),
            waiting: Some(2),
            listen_everywhere: Some("--listen=:2345".into()),
            listen_v4: Some("--listen=127.0.0.1:2345".into()),
            take_many: Some("--accept-multiclient".into()),
            start: Some(StartCommands {
                on_loopback: Some("dlv debug --headless --listen=127.0.0.1:2345".into()),
                everywhere: Some("dlv debug --headless --listen=:2345".into()),
                by_hand: None,
            }),
            near: Some("192.168.1.20".into()),
            awaits_debuggee: false,
            is_offline: false,
            is_awaited: false,
            is_strange: false,
            explain: None,
            runs_code: true,
            is_other: false,
            program_file: None,
            behind: None,
            is_open: true,
            is_paused: false,
            is_elsewhere: false,
            pf_blocks: Some("our guard blocks it".into()),
            pf_unknown: Some("pf has not been looked at yet".into()),
            exceptions: Vec::new(),
            is_interrupted: false,
            told_in_vain: None,
        }
    }

    #[test]
    fn every_state_in_words() {
        let none = Both::same(Bind::None);
        let loopback = Both { v4: Bind::Loopback, v6: Bind::None };
        let open = |takes_many| Session::Open { takes_many };
        let situations = [
            Situation { presence: Presence::Absent, bind: none, ..base() },
            Situation { presence: Presence::Orphan, bind: none, ..base() },
            Situation { session: open(Answer::No), ..base() },
            Situation { session: open(Answer::Yes), ..base() },
            Situation { session: open(Answer::Unknown), ..base() },
            Situation { queue: Queue::Stuck, bind: loopback, ..base() },
            Situation { presence: Presence::Forwards, ..base() },
            Situation { pf: pf(Answer::No, Answer::No, Answer::No), ..base() },
            Situation { bind: Both { v4: Bind::None, v6: Bind::Loopback }, ..base() },
            Situation { bind: Both { v4: Bind::None, v6: Bind::Every }, ..base() },
            Situation { bind: loopback, ..base() },
            Situation { pf: pf(Answer::Yes, Answer::No, Answer::No), ..base() },
            Situation { app_firewall: AppFirewallEffect::BlocksAll, ..base() },
            Situation { app_firewall: AppFirewallEffect::Blocks, ..base() },
            Situation { app_firewall: AppFirewallEffect::Asks, ..base() },
            Situation { app_firewall: AppFirewallEffect::Unknown, ..base() },
            Situation { pf: pf(Answer::Unknown, Answer::Unknown, Answer::Unknown), ..base() },
            Situation { queue: Queue::Unknown, ..base() },
            Situation { session: Session::Unknown, ..base() },
            Situation { presence: Presence::Unknown, bind: none, ..base() },
            base(),
            Situation { pf: pf(Answer::Yes, Answer::Yes, Answer::Yes), ..base() },
        ];
        let mut text = String::new();
        for situation in situations {
            for subject in [subject(), Wording { port: "2345".into(), ..Wording::default() }] {
                let said = Assessment::of(&situation, &subject);
                let reach = said.reach;
                text += &format!(
                    "{:?} ({:?} {:?} {:?})\n",
                    said.state, reach.loopback, reach.network, reach.anyone
                );
                text += &format!("  {}\n  > {}\n", said.sentence, said.next_step);
                text += &said.causes.iter().skip(1).map(|cause| format!("  - {cause}\n")).collect::<String>();
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_debugger_is_started_for_those_that_the_port_is_open_for() {
        let local = Some("local".to_owned());
        let everywhere = Some("everywhere".to_owned());
        let step = |is_open, on_loopback: &Option<String>, everywhere: &Option<String>| {
            let (on_loopback, everywhere) = (on_loopback.clone(), everywhere.clone());
            let start = StartCommands { on_loopback, everywhere, by_hand: None };
            let subject = Wording { port: "9222".into(), is_open, start: Some(start), ..Wording::default() };
            next_step(&Situation { presence: Presence::Absent, ..base() }, &subject)
        };
        for (is_open, on_loopback, everywhere, said) in [
            (false, &local, &everywhere, "start the debugger first: `local`"),
            (
                true,
                &local,
                &everywhere,
                "start the debugger first: `everywhere`; each client that is let in can run code as you",
            ),
            (
                true,
                &local,
                &None,
                "start the debugger first: `local`; it listens on loopback only, so other machines need an SSH tunnel: \
                 `ssh -L 9222:127.0.0.1:9222 USER@THIS-MAC`",
            ),
            (
                false,
                &None,
                &everywhere,
                "start the debugger first: `everywhere`; it listens on every address, so keep other machines out with \
                 the guard: `portcullis guard on`",
            ),
            (false, &None, &None, "start the debugger first, then its client"),
            (true, &None, &None, "start the debugger first, then its client"),
        ] {
            assert_eq!(step(is_open, on_loopback, everywhere), said);
        }
        let start = StartCommands { everywhere, ..StartCommands::default() };
        let pf_blocks = Some("our guard blocks it".to_owned());
        let guarded = Wording { start: Some(start), pf_blocks, ..Wording::default() };
        assert_eq!(
            next_step(&Situation { presence: Presence::Absent, ..base() }, &guarded),
            "start the debugger first: `everywhere`; it listens on every address, and pf keeps other machines out"
        );
    }
}
