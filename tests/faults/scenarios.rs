//! The scenarios: how each Mac was before, and what is asked of its helper.

use crate::helper::{Ask, Source};
use crate::intent::Way;
use crate::trial::furnished_conf;

/// One request on one Mac.
pub struct Scenario {
    pub name: &'static str,
    /// What was done before, in this order, on a Mac that others use too.
    pub before: Vec<Before>,
    pub ask: Ask,
    /// Whether the points of a recovery are tried too: the helper is killed midway, and the next one is hit.
    pub recovery: bool,
}

/// Something that was done before.
#[derive(Clone, Debug)]
pub enum Before {
    /// Another program enabled pf and holds a token.
    Shared,
    /// The helper was asked.
    Asked(Ask),
    /// A connection to port 2345 from a machine of this network is open.
    Session,
    /// A connection to it from this Mac itself is open.
    OwnSession,
    /// Time goes by: so many seconds were left, and are over.
    Due,
    /// Wi-Fi reassociates: no router is known.
    NoNetwork,
    /// This Mac is on a network with another router.
    OtherNetwork,
    /// The user who opened port 2345 has rung its bell.
    Rung,
    /// The installed helper is of an older version.
    OlderHelper,
    /// A recording of pf's log was under way, and its recorder was killed.
    Recording,
}

const DLV: &[(&str, u16)] = &[("dlv", 2345)];
const LAN: Source = Source::Lan(&["192.168.1.0/24"]);
const HOSTS: Source = Source::Hosts(&["192.168.1.9/32", "10.1.0.0/16"]);
const HOUR: i64 = 3600;

fn open(from: Source, lasts: Option<i64>) -> Ask {
    Ask::Open { ports: DLV, from, lasts, guard: false }
}

fn guard(on: bool) -> Ask {
    Ask::Guard { on, way: None }
}

fn go(way: Way) -> Ask {
    Ask::Guard { on: true, way: Some(way) }
}

/// All of them. Those whose request the helper does not have yet are passed over, with a word.
pub fn all() -> Vec<Scenario> {
    use Before::{
        Asked, Due, NoNetwork, OlderHelper, OtherNetwork, OwnSession, Recording, Rung, Session, Shared,
    };
    let guarded = || vec![Shared, Asked(guard(true))];
    let with = |asked: Ask| [guarded(), vec![Asked(asked), Session, OwnSession]].concat();
    let evening = || Asked(Ask::OpenUntilEvening(DLV[0], LAN, 3));
    let two: Ask = Ask::Open { ports: &[("node", 9229)], from: HOSTS, lasts: Some(HOUR), guard: false };
    let scenario = |name, before, ask| Scenario { name, before, ask, recovery: false };
    let recovered = |name, before, ask| Scenario { name, before, ask, recovery: true };
    vec![
        scenario("guard-on", vec![OwnSession], guard(true)),
        scenario("guard-on-shared", vec![Shared, Asked(guard(false)), OwnSession], guard(true)),
        recovered("guard-off", vec![Asked(guard(true)), Asked(open(LAN, None)), Session], guard(false)),
        recovered("open-any", guarded(), open(Source::Any, Some(HOUR))),
        scenario("open-lan", guarded(), open(LAN, Some(HOUR))),
        scenario("open-hosts", guarded(), open(HOSTS, None)),
        scenario("open-unguarded", vec![Asked(guard(false))], open(Source::Any, None)),
        scenario("extend", with(open(LAN, Some(HOUR))), open(LAN, Some(3 * HOUR))),
        recovered("any-to-lan", with(open(Source::Any, Some(HOUR))), open(LAN, Some(HOUR))),
        scenario("lan-to-hosts", with(open(LAN, None)), open(HOSTS, None)),
        scenario("close", [with(open(LAN, Some(HOUR))), vec![Asked(two.clone())]].concat(), Ask::Close(DLV)),
        scenario(
            "close-and-open",
            with(open(LAN, Some(HOUR))),
            Ask::CloseAndOpen(("dlv", 2345), ("node", 9229)),
        ),
        scenario(
            "open-and-guard",
            vec![Asked(guard(false))],
            Ask::Open { ports: DLV, from: LAN, lasts: Some(HOUR), guard: true },
        ),
        recovered(
            "close-all",
            [with(open(Source::Any, None)), vec![Asked(two.clone())]].concat(),
            Ask::CloseAll,
        ),
        scenario(
            "close-all-alone",
            vec![Asked(guard(true)), Asked(open(LAN, None)), Session, OwnSession],
            Ask::CloseAll,
        ),
        // The main ruleset does not call our anchor yet: it is loaded.
        recovered("to-classic", with(open(LAN, Some(HOUR))), go(Way::Classic)),
        recovered(
            "from-classic",
            [with(open(LAN, Some(HOUR))), vec![Asked(go(Way::Classic))]].concat(),
            go(Way::Apple),
        ),
        scenario(
            "classic-open",
            vec![Shared, Asked(go(Way::Classic))],
            Ask::Open { ports: DLV, from: Source::Any, lasts: None, guard: false },
        ),
        scenario(
            "classic-close-all",
            [with(open(LAN, None)), vec![Asked(go(Way::Classic))]].concat(),
            Ask::CloseAll,
        ),
        scenario("due", [with(open(Source::Any, Some(3))), vec![Due]].concat(), Ask::Tick),
        recovered("pause", [with(open(LAN, Some(HOUR))), vec![NoNetwork]].concat(), Ask::Tick),
        // Nobody is on it: it ends with the day. With a session it gets 30 minutes more.
        recovered("evening", [guarded(), vec![evening(), OwnSession, Due]].concat(), Ask::Tick),
        recovered("lengthen", [guarded(), vec![evening(), Session, OwnSession, Due]].concat(), Ask::Tick),
        // It is the second tick there.
        recovered(
            "leave",
            [with(open(LAN, Some(HOUR))), vec![OtherNetwork, Asked(Ask::Tick)]].concat(),
            Ask::Tick,
        ),
        scenario("undo", with(open(LAN, Some(HOUR))), Ask::Undo),
        recovered("clean-up", with(open(LAN, Some(HOUR))), Ask::CleanUp(furnished_conf())),
        scenario("uninstall", with(open(LAN, Some(HOUR))), Ask::Uninstall),
        scenario("install", with(open(LAN, Some(HOUR))), Ask::Install),
        recovered("open-and-install", guarded(), Ask::OpenAndInstall(("dlv", 2345))),
        scenario("upgrade", [with(Ask::Install), vec![OlderHelper]].concat(), Ask::Install),
        recovered(
            "tick-by-bell",
            [guarded(), vec![Asked(Ask::Install), Asked(open(LAN, Some(HOUR))), Session, OwnSession, Rung]]
                .concat(),
            Ask::TickByBell,
        ),
        scenario(
            "uninstall-with-job",
            [guarded(), vec![Asked(Ask::Install), Asked(open(LAN, Some(HOUR)))]].concat(),
            Ask::Uninstall,
        ),
        scenario("record", with(open(LAN, Some(HOUR))), Ask::Record),
        scenario(
            "stop-recording",
            [with(open(LAN, Some(HOUR))), vec![Recording]].concat(),
            Ask::StopRecording,
        ),
    ]
}
