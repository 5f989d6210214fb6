//! One port as the socket table shows it: from sockets and servers to the [`Situation`] that is judged.
//!
//! ```
//! use portcullis::debuggers::{classify::PortExpectation, port_view::PortView};
//! use portcullis::diagnosis::{Answer, AppFirewallEffect, Reachability};
//! use portcullis::pf::origin::{Both, PerOrigin};
//! use portcullis::sockets::SocketTable;
//! let view = PortView::of(PortExpectation::usual(2345), &SocketTable::default(), None, &[]);
//! let pf = PerOrigin::same(Both::same(Answer::Yes));
//! assert_eq!(view.assess(pf, AppFirewallEffect::Off).state, Reachability::NoListener);
//! ```

use super::classify::{PortExpectation, classify_process};
use super::command_line::CommandLine;
use super::debugger::{Debugger, Inside, ListenOn, Mode, Server};
use super::programs;
use super::settings::{ConnectTarget, Setting};
use super::silent::told_in_vain;
use crate::diagnosis::wording::{THIS_MAC, ToldInVain, Wording};
use crate::diagnosis::{Answer, AppFirewallEffect, Assessment, Bind, PortFacts, Presence, Queue, Session};
use crate::pf::origin::{Both, PerOrigin};
use crate::sockets::{Process, Socket, SocketTable};

/// One port, as the table shows it.
#[derive(Clone, Debug)]
pub struct PortView {
    pub port: u16,
    pub listeners: Vec<Socket>,
    /// The connections that are being served.
    pub sessions: Vec<Socket>,
    /// Which debugger it is, where it is one.
    pub server: Option<Server>,
    /// The process that listens, or else serves, or else has lost its listener.
    pub process: Option<Process>,
    /// The clients that are being served, in words.
    pub clients: Vec<String>,
    /// The debugger that is expected on the port.
    expected: PortExpectation,
    /// The debugger that was told to listen here and does not, where there is one.
    pub told_in_vain: Option<ToldInVain>,
    presence: Presence,
    queue: Queue,
}

impl PortView {
    /// The view of the `expected` port in `table`.
    ///
    /// `earlier` is a table from some seconds before: only with it is a queue that does not move known from one that
    /// has just filled. `processes` are those that [`super::may_linger`] names: among them is found a debugger that has
    /// lost its listener. It shows for a moment also of one that is about to listen.
    pub fn of(
        expected: PortExpectation,
        table: &SocketTable,
        earlier: Option<&SocketTable>,
        processes: &[Process],
    ) -> PortView {
        let port = expected.port;
        let server_of = |socket: &Socket| classify_process(socket.owner.process()?, Some(expected));
        let listeners: Vec<Socket> = table.listeners_on(port).cloned().collect();
        // A debugger may stop listening while it serves. Another program that is connected from this port, while none
        // listens there, only happens to have been given its number.
        let is_session = |socket: &&Socket| {
            !listeners.is_empty() || socket.owner.process().is_none() || server_of(socket).is_some()
        };
        let sessions: Vec<Socket> = table.sessions_on(port).filter(is_session).cloned().collect();
        let orphan = processes.iter().find(|process| is_orphan(process, expected, processes));
        let is_proxy = |socket: &Socket| server_of(socket).is_some_and(|server| server.mode.forwards);
        // Where a debugger and a proxy share a port, the debugger is meant.
        let listener = listeners.iter().find(|socket| !is_proxy(socket)).or(listeners.first());
        let (presence, owner) = match (listener, sessions.first()) {
            (Some(listener), _) if is_proxy(listener) => (Presence::Forwards, listener.owner.process()),
            (Some(listener), _) => (Presence::Listens, listener.owner.process()),
            (None, Some(session)) => (Presence::Absent, session.owner.process()),
            (None, None) if orphan.is_some() => (Presence::Orphan, orphan),
            (None, None) if table.blind_spot.is_some() => (Presence::Unknown, None),
            (None, None) => (Presence::Absent, None),
        };
        let server = owner.and_then(|process| classify_process(process, Some(expected)));
        let clients = sessions.iter().map(|session| client_of(table, session)).collect();
        let queue = queue(&listeners, earlier, port);
        let process = owner.cloned();
        let there: Vec<&Socket> = listeners.iter().chain(&sessions).collect();
        let is_blind = listeners.is_empty() && table.blind_spot.is_some();
        let told_in_vain = if is_blind { None } else { told_in_vain(port, &there, processes) };
        PortView {
            port,
            server,
            process,
            clients,
            expected,
            told_in_vain,
            presence,
            queue,
            listeners,
            sessions,
        }
    }

    /// What is to be said of it, with what pf and the Application Firewall do.
    pub fn assess(&self, pf: PerOrigin<Both<Answer>>, app_firewall: AppFirewallEffect) -> Assessment {
        let seen = self.seen();
        Assessment::of(&seen.situation(pf, app_firewall), &seen.subject)
    }

    /// What of it is judged. The Application Firewall was not asked about the program.
    pub fn seen(&self) -> PortFacts {
        let takes_many = self.server.as_ref().map_or(Answer::Unknown, Server::takes_many);
        let session = if self.sessions.is_empty() { Session::None } else { Session::Open { takes_many } };
        PortFacts {
            port: self.port,
            presence: self.presence,
            bind: self.bind(),
            session,
            queue: self.queue,
            is_blocked: false,
            clients: self.settings(None).into_iter().map(|setting| setting.client.to_owned()).collect(),
            subject: self.subject(),
        }
    }

    /// The settings to connect to the debugger that is there; none where none is known. `host` is this Mac as another
    /// machine names it, where the client is there.
    pub fn settings(&self, host: Option<&str>) -> Vec<Setting> {
        self.mode().map_or_else(Vec::new, |mode| self.settings_for(mode, host))
    }

    /// [`PortView::settings`]; where no debugger is seen there, those of the one that the program may hold, or that is
    /// expected there or behind what forwards.
    pub fn settings_or_expected(&self, host: Option<&str>) -> Vec<Setting> {
        let is_elsewhere = self.process.is_none() || self.forwards();
        let expected = self.expected.debugger().filter(|_| is_elsewhere);
        let possible = self.may_be().map(|(debugger, _)| debugger).or(expected);
        let mode = self.mode().or(possible.map(|debugger| debugger.usual_mode));
        mode.map_or_else(Vec::new, |mode| self.settings_for(mode, host))
    }

    /// The debugger that may be in the program that listens, without a word of it in its arguments.
    pub fn may_be(&self) -> Option<(&'static Debugger, Inside)> {
        let line = CommandLine::of(self.process.as_ref().filter(|_| self.server.is_none())?);
        let inside = |debugger: &'static Debugger| Some((debugger, debugger.inside?));
        super::ALL.into_iter().filter_map(inside).find(|(_, inside)| line.program_is(inside.programs))
    }

    /// Whether what listens hands connections on.
    pub fn forwards(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.mode.forwards)
    }

    /// What people call the debugger that is there, or that the user named for the port.
    pub fn debugger_title(&self) -> Option<&'static str> {
        let seen = self.server.as_ref().filter(|server| !server.mode.forwards).map(Server::title);
        seen.or(self.expected.named.map(|debugger| debugger.title))
    }

    /// By what it is known which debugger is there, where its own command line does not say so.
    pub fn named_by(&self) -> Option<&'static str> {
        let seen = self.server.as_ref().filter(|server| !server.mode.forwards);
        match (seen, self.expected.named) {
            (Some(server), _) if server.measured => None,
            (_, Some(_)) => Some("by the preferences"),
            (Some(server), None) if server.listen.is_some() => None,
            (Some(_), None) => Some("by its port alone"),
            (None, None) => None,
        }
    }

    /// Whether an editor is to listen there, to which what it debugs connects, and does not.
    pub fn awaits_editor(&self) -> bool {
        let is_editors = |debugger: &Debugger| debugger.usual_mode.awaits_debuggee;
        self.listeners.is_empty() && self.expected.debugger().is_some_and(is_editors)
    }

    /// The debugger that usually has the port, where nothing is there.
    pub fn usual_title(&self) -> Option<&'static str> {
        self.expected.debugger().map(|debugger| debugger.title)
    }

    /// The debugger that the user named for the port.
    pub fn named_debugger(&self) -> Option<&'static Debugger> {
        self.expected.named
    }

    /// The mode of the debugger that is there. Where something else is seen to listen, a forwarder among it, the user's word
    /// for what is behind it counts.
    fn mode(&self) -> Option<&'static Mode> {
        let seen = self.server.as_ref().map(|server| server.mode).filter(|mode| !mode.forwards);
        let named = self.expected.named.filter(|_| !self.listeners.is_empty());
        seen.or(named.map(|debugger| debugger.usual_mode))
    }

    fn settings_for(&self, mode: &Mode, host: Option<&str>) -> Vec<Setting> {
        let is_six = self.bind().v4 == Bind::None && self.bind().v6 != Bind::None;
        let loopback = if is_six { "::1" } else { "127.0.0.1" };
        let near = ConnectTarget { host: loopback, port: self.port };
        if !self.is_loopback_only() {
            return (mode.settings)(&ConnectTarget { host: host.unwrap_or(loopback), ..near });
        }
        // The near end of the tunnel, where the client is elsewhere.
        let target = if host.is_some() { ConnectTarget { host: "127.0.0.1", ..near } } else { near };
        let mut settings = (mode.settings)(&target);
        settings.push(match mode.awaits_debuggee {
            true => Setting::tunnel_to_editor(&near),
            false => Setting::tunnel(&near, host.unwrap_or(THIS_MAC)),
        });
        settings
    }

    /// Whether it is listened to, but not where other machines could address it.
    pub fn is_loopback_only(&self) -> bool {
        let Both { v4, v6 } = self.bind();
        let is_bound = v4 != Bind::None || v6 != Bind::None;
        is_bound && !v4.is_outside() && !v6.is_outside()
    }

    fn bind(&self) -> Both<Bind> {
        self.listeners
            .iter()
            .map(bind)
            .fold(Both::same(Bind::None), |sum, one| sum.zip(one).map(|(sum, one)| wider(sum, one)))
    }

    fn subject(&self) -> Wording {
        let port = self.port;
        let server = self.server.as_ref();
        let title = |process: &Process| match server {
            Some(server) if !server.mode.forwards => format!("{} ({})", server.title(), process.pid),
            _ => match programs::role(process) {
                Some(role) => format!("{process}, {role},"),
                None => process.to_string(),
            },
        };
        let mut addresses: Vec<String> = self.listeners.iter().map(address).collect();
        addresses.dedup();
        let option = |on| server.and_then(|server| (server.mode.listen_option)(on, port));
        Wording {
            port: port.to_string(),
            program: self.process.as_ref().map(title),
            named_by: server.and_then(|_| self.named_by()),
            addresses,
            client: (!self.clients.is_empty()).then(|| self.clients.join(", ")),
            waiting: self.listeners.iter().filter_map(|socket| socket.accept_queue).max(),
            listen_everywhere: option(ListenOn::Everywhere),
            listen_v4: option(ListenOn::Loopback),
            take_many: server.and_then(|server| server.mode.take_many_option).map(str::to_owned),
            awaits_debuggee: server.is_some_and(|server| server.mode.awaits_debuggee),
            runs_code: server.is_some_and(|server| !server.mode.forwards && !server.mode.awaits_debuggee),
            behind: server
                .map(|server| server.mode.behind)
                .filter(|step| !step.is_empty())
                .map(str::to_owned),
            is_strange: self.process.is_some()
                && server.is_none()
                && self.may_be().is_none()
                && self.expected.named.is_none(),
            is_other: server.is_none() && self.process.as_ref().and_then(programs::role).is_some(),
            told_in_vain: self.told_in_vain.clone(),
            start: self.expected.debugger().map(|debugger| debugger.start_commands(port)),
            ..Wording::default()
        }
    }
}

/// Whether `process` is a debugger that should listen on this port by its arguments, can live on without its listener, and
/// has begun to listen already.
fn is_orphan(process: &Process, expected: PortExpectation, all: &[Process]) -> bool {
    classify_process(process, Some(expected)).is_some_and(|server| {
        let is_its_port = server.listen.is_some_and(|listen| listen.port == Some(expected.port));
        let lingers = server.mode.lingering.is_some_and(|lingering| !(lingering.is_starting)(process, all));
        is_its_port && lingers && server.traps.is_empty()
    })
}

fn client_of(table: &SocketTable, session: &Socket) -> String {
    match (table.peer_of(session), session.remote) {
        (Some(process), _) => process.to_string(),
        (None, Some(remote)) => remote.ip().to_canonical().to_string(),
        (None, None) => "an unknown client".to_owned(),
    }
}

fn queue(listeners: &[Socket], earlier: Option<&SocketTable>, port: u16) -> Queue {
    let waited = |socket: &Socket| {
        let before = earlier.into_iter().flat_map(|table| table.listeners_on(port));
        before.into_iter().any(|old| {
            old.local == socket.local
                && old.pid() == socket.pid()
                && old.accept_queue.is_some_and(|count| count > 0)
        })
    };
    let of_one = |socket: &Socket| match socket.accept_queue {
        Some(0) => Queue::Empty,
        Some(_) if waited(socket) => Queue::Stuck,
        Some(_) | None => Queue::Unknown,
    };
    let all: Vec<Queue> = listeners.iter().map(of_one).collect();
    [Queue::Stuck, Queue::Unknown].into_iter().find(|worst| all.contains(worst)).unwrap_or(Queue::Empty)
}

fn bind(socket: &Socket) -> Both<Bind> {
    let address = socket.local.ip().to_canonical();
    let bind = match address {
        address if address.is_unspecified() => Bind::Every,
        address if address.is_loopback() => Bind::Loopback,
        _ => Bind::Address,
    };
    match address {
        std::net::IpAddr::V4(_) => Both { v4: bind, v6: Bind::None },
        // A socket on `::` takes IPv4 too, unless it is set not to.
        std::net::IpAddr::V6(_) if bind == Bind::Every && socket.v6_only == Some(false) => Both::same(bind),
        std::net::IpAddr::V6(_) => Both { v4: Bind::None, v6: bind },
    }
}

fn wider(a: Bind, b: Bind) -> Bind {
    let rank = |bind: Bind| match bind {
        Bind::None => 0,
        Bind::Loopback => 1,
        Bind::Address => 2,
        Bind::Every => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

fn address(socket: &Socket) -> String {
    let address = socket.local.ip().to_canonical();
    match address.is_unspecified() {
        true if socket.v6_only == Some(true) => "every IPv6 address".to_owned(),
        true => "every address".to_owned(),
        false => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::*;
    use crate::diagnosis::Reachability;
    use crate::sockets::{SocketOwner, TcpState};

    fn process(pid: u32, line: &str) -> Process {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let path = arguments.first().map(Into::into);
        let name = arguments.first().map(|first| first.rsplit('/').next().unwrap_or(first).to_owned());
        Process { pid, parent: Some(1), name, path, user: Some("me".into()), arguments, environment: vec![] }
    }

    fn socket(local: &str, remote: Option<&str>, owner: &Process) -> Socket {
        let local: SocketAddr = local.parse().unwrap();
        Socket {
            local,
            remote: remote.map(|remote| remote.parse().unwrap()),
            state: if remote.is_some() { TcpState::Established } else { TcpState::Listen },
            v6_only: local.is_ipv6().then_some(!local.ip().is_unspecified()),
            accept_queue: remote.is_none().then_some(0),
            accepted: remote.map(|_| true),
            owner: SocketOwner::Process(Arc::new(owner.clone())),
        }
    }

    fn state(view: &PortView) -> Reachability {
        view.assess(PerOrigin::same(Both::same(Answer::Yes)), AppFirewallEffect::Off).state
    }

    #[test]
    fn the_states_of_a_port() {
        let dap = process(7, "/usr/bin/dlv dap --listen=127.0.0.1:2345");
        let headless = process(8, "dlv exec ./x --headless --listen=127.0.0.1:2345");
        let goland = process(9, "/opt/goland");
        let ssh = process(10, "/usr/bin/ssh -NL 2345:127.0.0.1:2345 box");
        let go = Process { parent: Some(8), ..process(11, "go build") };
        let listening = |address: &str, owner: &Process| SocketTable {
            listeners: vec![socket(address, None, owner)],
            ..SocketTable::default()
        };
        let queued = |count| {
            let mut table = listening("127.0.0.1:2345", &dap);
            table.listeners[0].accept_queue = Some(count);
            table
        };
        let served = SocketTable {
            connections: vec![
                socket("127.0.0.1:2345", Some("127.0.0.1:50000"), &headless),
                socket("127.0.0.1:50000", Some("127.0.0.1:2345"), &goland),
            ],
            ..SocketTable::default()
        };
        let none = SocketTable::default();
        let of = |table: &SocketTable, earlier: Option<&SocketTable>, delves: &[Process]| {
            PortView::of(PortExpectation::usual(2345), table, earlier, delves)
        };
        for (view, expected) in [
            (of(&none, None, &[]), Reachability::NoListener),
            (of(&none, None, std::slice::from_ref(&headless)), Reachability::Bricked),
            (of(&none, None, &[headless.clone(), go]), Reachability::NoListener),
            (of(&none, None, std::slice::from_ref(&dap)), Reachability::NoListener),
            (of(&served, None, std::slice::from_ref(&headless)), Reachability::InSession),
            (of(&listening("127.0.0.1:2345", &dap), None, &[]), Reachability::LoopbackOnly),
            (of(&listening("[::1]:2345", &dap), None, &[]), Reachability::WrongFamily),
            (of(&listening("[::]:2345", &dap), None, &[]), Reachability::Reachable),
            (of(&listening("0.0.0.0:2345", &dap), None, &[]), Reachability::Reachable),
            (of(&listening("192.168.1.7:2345", &dap), None, &[]), Reachability::Reachable),
            (of(&listening("127.0.0.1:2345", &ssh), None, &[]), Reachability::Forwarded),
            (of(&queued(1), Some(&queued(1)), &[]), Reachability::Wedged),
            (of(&queued(1), Some(&queued(0)), &[]), Reachability::LoopbackOnly),
        ] {
            assert_eq!(state(&view), expected, "{view:?}");
        }
        let view = of(&served, None, &[]);
        assert_eq!(view.subject().client.as_deref(), Some("goland (9)"));
        assert_eq!(view.subject().program.as_deref(), Some("dlv headless (8)"));
    }

    fn listened(port: u16, local: &str, line: &str) -> PortView {
        let table =
            SocketTable { listeners: vec![socket(local, None, &process(7, line))], ..SocketTable::default() };
        PortView::of(PortExpectation::usual(port), &table, None, &[])
    }

    #[test]
    fn settings_are_those_of_what_is_there_may_be_there_or_is_behind() {
        let first =
            |view: &PortView| view.settings_or_expected(None).first().map(|setting| setting.text.clone());
        let docker = listened(5678, "0.0.0.0:5678", "com.docker.backend");
        assert!(first(&docker).unwrap().contains("debugpy"));
        assert!(docker.subject().behind.unwrap().contains("0.0.0.0"));
        let java = listened(8000, "0.0.0.0:8000", "/usr/bin/java @options");
        assert_eq!(java.may_be().map(|(debugger, _)| debugger.name), Some("jdwp"));
        assert!(first(&java).unwrap().contains("\"java\""));
        let web = listened(2345, "0.0.0.0:2345", "nginx");
        assert_eq!(first(&web), None, "what usually is there is not there");
        assert_eq!(web.subject().program.as_deref(), Some("nginx (7), a web server,"));
    }

    #[test]
    fn a_tunnel_ends_at_what_listens_and_the_editor_goes_to_its_near_end() {
        let near = |local, host| {
            let view = listened(9229, local, "node --inspect x.js");
            let texts = view.settings(host).into_iter().map(|setting| setting.text).collect::<Vec<_>>();
            (texts.first().unwrap().clone(), texts.last().unwrap().clone())
        };
        let (editor, tunnel) = near("127.0.0.1:9229", Some("mymac.local"));
        assert!(editor.contains("127.0.0.1") && !editor.contains("mymac"), "{editor}");
        assert_eq!(tunnel, "ssh -N -L 9229:127.0.0.1:9229 USER@mymac.local");
        let (editor, tunnel) = near("[::1]:9229", Some("mymac.local"));
        assert!(editor.contains("127.0.0.1"), "{editor}");
        assert_eq!(tunnel, "ssh -N -L 9229:[::1]:9229 USER@mymac.local");
        let (editor, tunnel) = near("[::1]:9229", None);
        assert!(editor.contains("::1") && tunnel.ends_with("USER@THIS-MAC"), "{editor} {tunnel}");
        let (editor, _) = near("0.0.0.0:9229", Some("mymac.local"));
        assert!(editor.contains("mymac.local"), "{editor}");
        let waiting = listened(9003, "127.0.0.1:9003", "/Applications/PhpStorm.app/Contents/MacOS/phpstorm");
        let tunnel = waiting.settings(Some("mymac.local")).pop().unwrap().text;
        assert_eq!(
            tunnel, "ssh -N -R 9003:127.0.0.1:9003 USER@OTHER-MACHINE",
            "PHP dials the editor, which is here"
        );
    }

    #[test]
    fn a_queue_that_has_just_filled_is_not_called_reachable() {
        let dlv = process(7, "dlv exec ./x --headless --accept-multiclient --listen=:2345");
        let mut table =
            SocketTable { listeners: vec![socket("[::]:2345", None, &dlv)], ..SocketTable::default() };
        table.listeners[0].accept_queue = Some(1);
        assert_eq!(
            state(&PortView::of(PortExpectation::usual(2345), &table, None, &[])),
            Reachability::Unknown
        );
    }

    #[test]
    fn a_client_that_was_given_the_port_is_no_session() {
        let browser = process(7, "/usr/bin/browser");
        let connections = vec![socket("192.168.1.7:50000", Some("192.0.2.1:443"), &browser)];
        let table = SocketTable { connections, ..SocketTable::default() };
        assert_eq!(
            state(&PortView::of(PortExpectation::usual(50000), &table, None, &[])),
            Reachability::NoListener
        );
    }

    #[test]
    fn where_sockets_may_be_missing_nobody_is_said_to_be_missing() {
        let table = SocketTable { blind_spot: Some("no permission".into()), ..SocketTable::default() };
        assert_eq!(
            state(&PortView::of(PortExpectation::usual(2345), &table, None, &[])),
            Reachability::Unknown
        );
    }
}
