//! The verdicts against a second evaluator, written afresh from pf.conf(5) and from what is known of macOS's kernel: it
//! holds its own rules, walks as the kernel does, tries every combination of what is unknown, and shares no code with the
//! real one. The rules reach the real one as text.
//!
//! 2,000 rulesets with four packets each; `PF_CASES=200000` for more, `PF_SEED=17` for one alone.

mod kernel;
mod model;
mod random;

use std::collections::BTreeSet;

use portcullis::pf::criteria::{Direction, Family};
use portcullis::pf::interfaces::InterfaceFacts;
use portcullis::pf::packet::{Packet, PacketSocket};
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::{Decision, Verdict, verdict};

use kernel::{End, every_end};
use model::{INTERFACES, Socket, Way, World};
use random::Random;

/// How many verdicts there were of each.
#[derive(Debug, Default)]
struct Tally {
    pass: u64,
    block: u64,
    unknown: u64,
    /// Too many answers to try.
    untried: u64,
    wrong: u64,
}

#[test]
fn both_evaluators_agree() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("PF_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("PF_CASES").unwrap_or(2_000),
    };
    let alone = seeds.clone().count() == 1;
    let mut tally = Tally::default();
    for seed in seeds {
        let found = compare(seed, &mut tally);
        if let Some(difference) = found {
            tally.wrong += 1;
            if tally.wrong <= 3 {
                println!("{difference}");
            }
        }
    }
    let all = tally.pass + tally.block + tally.unknown;
    println!("{all} verdicts: {tally:?}");
    assert_eq!(tally.wrong, 0);
    let least = [tally.pass, tally.block, tally.unknown].into_iter().min().unwrap_or_default();
    assert!(alone || (least > all / 50 && tally.untried < all / 50), "the rulesets are one-sided");
}

/// Compares the verdicts on four packets by the rulesets of this seed; gives the first difference.
fn compare(seed: u64, tally: &mut Tally) -> Option<String> {
    let mut random = Random::new(seed);
    let mut world = random::world(&mut random);
    let texts = world.texts();
    let loaded = load(&world, &texts, seed);
    for _ in 0..4 {
        let packet = random::packet(&mut random);
        let real = verdict(&loaded, &as_seen(&packet));
        let Some(ends) = every_end(&world, &packet) else {
            tally.untried += 1;
            continue;
        };
        match real.outcome {
            Decision::Pass => tally.pass += 1,
            Decision::Block => tally.block += 1,
            Decision::Unknown => tally.unknown += 1,
        }
        if let Err(what) = agree(&real, &ends) {
            let texts: String = texts.iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
            return Some(format!(
                "seed {seed}: {what}\n{packet:?}\nmacOS {:?}\n{texts}\nreal {:?} by {:?}, state {:?}\nsecond {ends:?}\n",
                world.macos,
                real.outcome,
                real.rule.map(|rule| rule.to_string()),
                real.stateful,
            ));
        }
    }
    None
}

fn agree(real: &Verdict<'_>, ends: &BTreeSet<End>) -> Result<(), &'static str> {
    let outcomes: BTreeSet<bool> = ends.iter().map(|end| end.pass).collect();
    let expected = match (outcomes.len(), outcomes.first()) {
        (1, Some(true)) => Decision::Pass,
        (1, _) => Decision::Block,
        _ => Decision::Unknown,
    };
    if real.outcome != expected {
        return Err("the verdicts differ");
    }
    if let (1, Some(only)) = (ends.len(), ends.first()) {
        let decides = real.rule.map(|rule| (rule.rule.place.path.to_string(), rule.rule.place.line));
        if decides != only.rule {
            return Err("other rules decide");
        }
    }
    let states: BTreeSet<bool> = ends.iter().map(|end| end.state).collect();
    let state = if states.len() == 1 { states.first().copied() } else { None };
    if real.outcome == Decision::Pass && real.stateful != state {
        return Err("the states differ");
    }
    Ok(())
}

fn load(world: &World, texts: &[(String, String)], seed: u64) -> Rulesets {
    let (loaded, problems) = Rulesets::from_conf("main", &texts[0].1, &mut |name| {
        let found = texts.iter().find(|(path, _)| path == name);
        found.map(|(_, text)| text.clone()).ok_or_else(|| "no such file".into())
    });
    assert_eq!(problems, [], "seed {seed}\n{}", texts[0].1);
    let interfaces = INTERFACES.iter().map(|(name, addresses)| InterfaceFacts {
        name: (*name).to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    });
    let loaded = loaded.with_interfaces(interfaces.collect());
    match world.macos {
        Some(major) => loaded.with_macos(major),
        None => loaded,
    }
}

/// The packet as the real evaluator takes it.
fn as_seen(packet: &model::Packet) -> Packet {
    Packet {
        direction: match packet.way {
            Way::In => Direction::In,
            Way::Out => Direction::Out,
        },
        interface: packet.interface.to_owned(),
        family: if packet.destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        protocol: packet.protocol,
        source: Some(packet.source),
        source_port: packet.source_port,
        destination: Some(packet.destination),
        destination_port: packet.destination_port,
        flags: packet.flags,
        socket: match packet.socket {
            Socket::Missing => PacketSocket::Missing,
            Socket::Owned(user) => PacketSocket::Owned(user),
        },
        established: false,
    }
}
