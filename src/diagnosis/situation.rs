//! Facts about one port in, one state out.

use serde::Serialize;

use super::answer::Answer;
use crate::pf::origin::{Both, PerOrigin};

/// What is on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// The socket table could not be read.
    Unknown,
    /// No listener, and no debugger that once had it.
    Absent,
    /// No listener, but a debugger is alive that was started to listen here.
    Orphan,
    /// A program listens.
    Listens,
    /// A program listens that hands connections on: docker, ssh.
    Forwards,
}

/// On what a listener of one family is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// It takes no connections of this family.
    None,
    /// On a loopback address.
    Loopback,
    /// On one address of the machine that is not loopback.
    Address,
    /// On every address.
    Every,
}

/// Whether a client is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Session {
    None,
    /// A connection was accepted and is open.
    Open {
        /// Whether the debugger serves several clients at a time.
        takes_many: Answer,
    },
    Unknown,
}

/// The connections that wait to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    Empty,
    /// One or more have waited for some seconds.
    Stuck,
    /// Also where one has just come.
    Unknown,
}

/// What the Application Firewall does with a connection from outside to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppFirewallEffect {
    Off,
    /// It is on, and what it does with this program is not known: "permitted" is also said of programs it never saw.
    Asks,
    /// It blocks this program.
    Blocks,
    /// It blocks every connection that is not essential.
    BlocksAll,
    Unknown,
}

/// All that is known of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Situation {
    pub presence: Presence,
    /// [`Bind::None`] twice where no program listens, or that is unknown.
    pub bind: Both<Bind>,
    pub session: Session,
    pub queue: Queue,
    /// Whether pf lets a new connection in.
    pub pf: PerOrigin<Both<Answer>>,
    pub app_firewall: AppFirewallEffect,
}

/// The one state of a port. The order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reachability {
    NoListener,
    /// The debugger is alive, but without listener and session: something connected and left.
    Bricked,
    /// A client is being served.
    InSession,
    /// The listener takes no connection from its queue.
    Wedged,
    /// A proxy listens: what is behind it was not verified.
    Forwarded,
    /// pf blocks it from everywhere, from this Mac too.
    BlockedEverywhere,
    /// It listens on IPv6 only, and clients come over IPv4.
    WrongFamily,
    /// Other machines cannot reach it, whatever pf says.
    LoopbackOnly,
    /// pf blocks it from other machines.
    BlockedByPf,
    /// The Application Firewall blocks it from other machines.
    BlockedByAppFirewall,
    /// Something that decides is unknown.
    Unknown,
    /// At least the machines of this network, or any other, reach it.
    Reachable,
}

/// Something that stands in the way, or may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Cause {
    /// What it is: never [`Reachability::Unknown`] or [`Reachability::Reachable`].
    pub state: Reachability,
    /// Whether it is certain; else it is possible.
    pub certain: bool,
}

impl Situation {
    /// The one state.
    pub fn state(&self) -> Reachability {
        state_of(&self.causes())
    }

    /// What stands in the way: the certain causes first, then the possible ones, each in the order of [`Reachability`].
    pub fn causes(&self) -> Vec<Cause> {
        let Situation { presence, bind, session, queue, pf, app_firewall } = *self;
        let [family, loopback] = of_bind(bind);
        let [pf, unknown_pf] = of_pf(presence, bind, &pf);
        let found = [
            of_presence(presence, session),
            of_session(presence, session),
            of_queue(queue, session),
            family,
            loopback,
            pf,
            unknown_pf,
            of_app_firewall(app_firewall),
        ];
        let mut causes: Vec<Cause> = found.into_iter().flatten().collect();
        causes.sort_by_key(|cause| (!cause.certain, cause.state));
        causes
    }

    /// Who gets an answer from the debugger. A possible obstacle leaves it unknown.
    pub fn reach(&self) -> PerOrigin<Answer> {
        let Situation { presence, bind, session, queue, pf, app_firewall } = *self;
        let served = served(presence, session, queue);
        let PerOrigin { loopback, network, anyone } = admitted(presence, bind, &pf);
        let outside = |admitted| Answer::all([served, admitted, let_in(app_firewall)]);
        PerOrigin {
            loopback: Answer::all([served, loopback]),
            network: outside(network),
            anyone: outside(anyone),
        }
    }
}

fn state_of(causes: &[Cause]) -> Reachability {
    match causes.first() {
        Some(Cause { state, certain: true }) => *state,
        Some(_) => Reachability::Unknown,
        None => Reachability::Reachable,
    }
}

// Each part below takes what it depends on and no more: the tests rely on that to try each part with all of its inputs,
// but not every input with every other.

/// Whether a client that gets through is served.
fn served(presence: Presence, session: Session, queue: Queue) -> Answer {
    let present = match presence {
        Presence::Unknown | Presence::Forwards => Answer::Unknown,
        Presence::Absent | Presence::Orphan => Answer::No,
        Presence::Listens => Answer::Yes,
    };
    let free = match session {
        Session::None => Answer::Yes,
        Session::Open { takes_many } => takes_many,
        Session::Unknown => Answer::Unknown,
    };
    let accepting = match (queue, session) {
        (Queue::Empty, _) => Answer::Yes,
        (Queue::Stuck, Session::None) => Answer::No,
        (Queue::Stuck | Queue::Unknown, _) => Answer::Unknown,
    };
    Answer::all([present, free, accepting])
}

/// From where pf lets a connection in over some family that is bound so that it can be addressed from there.
fn admitted(presence: Presence, bind: Both<Bind>, pf: &PerOrigin<Both<Answer>>) -> PerOrigin<Answer> {
    let admitted = |pf: Both<Answer>, wanted: fn(Bind) -> bool| {
        if presence == Presence::Unknown {
            return if pf.all(|answer| *answer == Answer::No) { Answer::No } else { Answer::Unknown };
        }
        let families = [(bind.v4, pf.v4), (bind.v6, pf.v6)];
        Answer::any(families.into_iter().filter(|(bind, _)| wanted(*bind)).map(|(_, answer)| answer))
    };
    PerOrigin {
        loopback: admitted(pf.loopback, |bind| bind != Bind::None),
        network: admitted(pf.network, Bind::is_outside),
        anyone: admitted(pf.anyone, Bind::is_outside),
    }
}

/// Whether the Application Firewall lets a connection from outside in.
fn let_in(app_firewall: AppFirewallEffect) -> Answer {
    match app_firewall {
        AppFirewallEffect::Off => Answer::Yes,
        AppFirewallEffect::Blocks | AppFirewallEffect::BlocksAll => Answer::No,
        AppFirewallEffect::Asks | AppFirewallEffect::Unknown => Answer::Unknown,
    }
}

fn of_presence(presence: Presence, session: Session) -> Option<Cause> {
    match (presence, session) {
        (Presence::Unknown, _) => possible(Reachability::NoListener),
        // A single-client debugger stops listening while it serves: then its session speaks.
        (Presence::Absent | Presence::Orphan, Session::Open { .. }) => None,
        (Presence::Absent, Session::None) => certain(Reachability::NoListener),
        (Presence::Absent, Session::Unknown) => possible(Reachability::NoListener),
        (Presence::Orphan, Session::None) => certain(Reachability::Bricked),
        (Presence::Orphan, Session::Unknown) => possible(Reachability::Bricked),
        (Presence::Listens, _) => None,
        (Presence::Forwards, _) => certain(Reachability::Forwarded),
    }
}

fn of_session(presence: Presence, session: Session) -> Option<Cause> {
    match session {
        // What a proxy carries is no session of the debugger behind it.
        _ if presence == Presence::Forwards => None,
        Session::Open { .. } => certain(Reachability::InSession),
        Session::Unknown => possible(Reachability::InSession),
        Session::None => None,
    }
}

fn of_queue(queue: Queue, session: Session) -> Option<Cause> {
    match (queue, session) {
        (Queue::Empty, _) => None,
        (Queue::Stuck, Session::None) => certain(Reachability::Wedged),
        (Queue::Stuck | Queue::Unknown, _) => possible(Reachability::Wedged),
    }
}

/// The wrong family, and loopback only.
fn of_bind(bind: Both<Bind>) -> [Option<Cause>; 2] {
    let is_bound = bind.any(|bind| *bind != Bind::None);
    let is_outside = bind.any(|bind| bind.is_outside());
    let if_so = |so: bool, state| if so { certain(state) } else { None };
    [
        if_so(is_bound && bind.v4 == Bind::None, Reachability::WrongFamily),
        if_so(is_bound && !is_outside, Reachability::LoopbackOnly),
    ]
}

/// What pf blocks, and what it may block.
fn of_pf(presence: Presence, bind: Both<Bind>, pf: &PerOrigin<Both<Answer>>) -> [Option<Cause>; 2] {
    let is_bound = bind.any(|bind| *bind != Bind::None);
    // A port without listener is judged as if it were bound everywhere.
    let bind = if is_bound { bind } else { Both::same(Bind::Every) };
    let PerOrigin { loopback, network, anyone } = admitted(presence, bind, pf);
    let blocked = match (loopback, Answer::any([network, anyone])) {
        (Answer::No, Answer::No) => certain(Reachability::BlockedEverywhere),
        (_, Answer::No) if bind.any(|bind| bind.is_outside()) => certain(Reachability::BlockedByPf),
        _ => None,
    };
    let unknown = if is_unknown(pf) { possible(Reachability::BlockedByPf) } else { None };
    [blocked, unknown]
}

fn of_app_firewall(effect: AppFirewallEffect) -> Option<Cause> {
    match let_in(effect) {
        Answer::Yes => None,
        Answer::No => certain(Reachability::BlockedByAppFirewall),
        Answer::Unknown => possible(Reachability::BlockedByAppFirewall),
    }
}

impl Bind {
    /// Whether other machines can address it.
    pub fn is_outside(self) -> bool {
        matches!(self, Bind::Address | Bind::Every)
    }
}

/// Whether pf's verdict is unknown for some client.
fn is_unknown(pf: &PerOrigin<Both<Answer>>) -> bool {
    pf.any(|families| families.any(|answer| *answer == Answer::Unknown))
}

fn certain(state: Reachability) -> Option<Cause> {
    Some(Cause { state, certain: true })
}

fn possible(state: Reachability) -> Option<Cause> {
    Some(Cause { state, certain: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [Answer; 3] = [Answer::Yes, Answer::No, Answer::Unknown];
    const BINDS: [Bind; 4] = [Bind::None, Bind::Loopback, Bind::Address, Bind::Every];
    const QUEUES: [Queue; 3] = [Queue::Empty, Queue::Stuck, Queue::Unknown];

    fn families() -> Vec<Both<Answer>> {
        ANSWERS.iter().flat_map(|v4| ANSWERS.map(|v6| Both { v4: *v4, v6 })).collect()
    }

    /// What may be there, and on which addresses: a listener has some, nothing else has.
    fn presences() -> Vec<(Presence, Both<Bind>)> {
        let absent = [Presence::Unknown, Presence::Absent, Presence::Orphan];
        let absent = absent.map(|presence| (presence, Both::same(Bind::None)));
        let bound = BINDS.iter().flat_map(|v4| BINDS.map(|v6| Both { v4: *v4, v6 })).skip(1);
        let present = [Presence::Listens, Presence::Forwards];
        let bound = bound.flat_map(|bind| present.map(|presence| (presence, bind)));
        absent.into_iter().chain(bound).collect()
    }

    fn sessions() -> Vec<Session> {
        let open = ANSWERS.map(|takes_many| Session::Open { takes_many });
        [Session::None, Session::Unknown].into_iter().chain(open).collect()
    }

    fn effects() -> [AppFirewallEffect; 5] {
        use AppFirewallEffect::{Asks, Blocks, BlocksAll, Off, Unknown};
        [Off, Asks, Blocks, BlocksAll, Unknown]
    }

    fn every_pf() -> Vec<PerOrigin<Both<Answer>>> {
        let families = &families();
        let outside =
            families.iter().flat_map(|network| families.iter().map(move |anyone| (*network, *anyone)));
        outside
            .flat_map(|(network, anyone)| {
                families.iter().map(move |loopback| PerOrigin { loopback: *loopback, network, anyone })
            })
            .collect()
    }

    type PfAnswers = PerOrigin<Both<Answer>>;

    /// Each verdict of pf with the first that is the same to a listener like this. Of pf's six answers the state sees
    /// what [`of_pf`] makes of them, the reach what [`admitted`] does, and the assertions below whether one is unknown:
    /// verdicts that agree in these are the same, whatever the session, the queue and the Application Firewall are,
    /// since those functions take none of them.
    fn with_first_alike(
        presence: Presence,
        bind: Both<Bind>,
        every: &[PfAnswers],
    ) -> Vec<(PfAnswers, PfAnswers)> {
        let mut firsts = std::collections::HashMap::new();
        let alike = |pf: &PfAnswers| {
            let key = (of_pf(presence, bind, pf), admitted(presence, bind, pf), is_unknown(pf));
            (*pf, *firsts.entry(key).or_insert(*pf))
        };
        every.iter().map(alike).collect()
    }

    fn has_unknown(situation: &Situation) -> bool {
        situation.presence == Presence::Unknown
            || matches!(situation.session, Session::Unknown | Session::Open { takes_many: Answer::Unknown })
            || situation.queue == Queue::Unknown
            || is_unknown(&situation.pf)
            || matches!(situation.app_firewall, AppFirewallEffect::Asks | AppFirewallEffect::Unknown)
    }

    #[test]
    fn every_combination_has_one_state_and_nothing_unknown_is_reachable() {
        let every_pf = every_pf();
        assert_eq!((presences().len(), every_pf.len()), (33, 729));
        let rest: Vec<(Session, Queue, AppFirewallEffect)> = sessions()
            .into_iter()
            .flat_map(|session| QUEUES.map(|queue| (session, queue)))
            .flat_map(|(session, queue)| effects().map(|effect| (session, queue, effect)))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        let mut turn = rest.iter().cycle();
        for (presence, bind) in presences() {
            let situation = |pf, rest: &(Session, Queue, AppFirewallEffect)| {
                let (session, queue, app_firewall) = *rest;
                Situation { presence, bind, session, queue, pf, app_firewall }
            };
            for (pf, first) in with_first_alike(presence, bind, &every_pf) {
                if pf == first {
                    seen.extend(rest.iter().map(|rest| holds_together(&situation(pf, rest))));
                } else if let Some(rest) = turn.next() {
                    // The rest takes turns, so that it would show if pf's answers were read in another way, too.
                    let (this, first) = (situation(pf, rest), situation(first, rest));
                    assert_eq!((this.causes(), this.reach()), (first.causes(), first.reach()), "{this:?}");
                }
            }
        }
        assert_eq!(seen.len(), 12, "every state occurs: {seen:?}");
    }

    /// Checks what must hold of any situation; gives its state.
    fn holds_together(situation: &Situation) -> Reachability {
        let (causes, reach) = (situation.causes(), situation.reach());
        let state = state_of(&causes);
        // One state: that of the first certain cause; no state twice among the certain.
        let sure: Vec<Reachability> =
            causes.iter().filter(|cause| cause.certain).map(|cause| cause.state).collect();
        assert!(sure.windows(2).all(|pair| pair[0] < pair[1]), "{situation:?}: {causes:?}");
        assert_eq!(
            sure.first().copied(),
            Some(state).filter(|state| *state < Reachability::Unknown),
            "{situation:?}"
        );
        let outside = [reach.network, reach.anyone];
        match state {
            Reachability::Reachable => {
                assert!(!has_unknown(situation), "{situation:?}");
                assert!(outside.contains(&Answer::Yes), "{situation:?}");
            }
            Reachability::Unknown => assert!(has_unknown(situation), "{situation:?}"),
            // What is said to be out of reach from other machines is so.
            Reachability::NoListener
            | Reachability::Bricked
            | Reachability::Wedged
            | Reachability::BlockedEverywhere
            | Reachability::LoopbackOnly
            | Reachability::BlockedByPf
            | Reachability::BlockedByAppFirewall => {
                assert_eq!(outside, [Answer::No, Answer::No], "{situation:?}");
            }
            Reachability::Forwarded => {
                assert!(reach.all(|answer| *answer != Answer::Yes), "{situation:?}");
            }
            Reachability::InSession | Reachability::WrongFamily => {}
        }
        state
    }

    #[test]
    fn a_better_answer_of_pf_never_takes_a_client_away() {
        let rank = |answer: Answer| match answer {
            Answer::No => 0,
            Answer::Unknown => 1,
            Answer::Yes => 2,
        };
        // What is served and what the Application Firewall lets in take no answer of pf, and `Answer::all` is the
        // lowest rank of three: so it is enough that `admitted` never falls.
        for (presence, bind) in presences() {
            for one in families() {
                for other in families() {
                    if one.zip(other).any(|(one, other)| rank(*one) > rank(*other)) {
                        continue;
                    }
                    let admitted = |pf| admitted(presence, bind, &PerOrigin::same(pf)).map(rank);
                    let pair = admitted(one).zip(admitted(other));
                    assert!(pair.all(|(one, other)| one <= other), "{presence:?} {bind:?} {one:?} {other:?}");
                }
            }
        }
        for [a, b, c] in ANSWERS.iter().flat_map(|a| families().into_iter().map(|two| [*a, two.v4, two.v6])) {
            assert_eq!(Some(rank(Answer::all([a, b, c]))), [a, b, c].map(rank).into_iter().min());
        }
    }
}
