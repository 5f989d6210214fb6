//! The verdicts of the library of f1c44e8 on the cases of `verdicts.jsonl`, from standard input, one for each line:
//! `scripts/cases.sh` builds it beside that commit, whose command line cannot ask for every packet.

use std::io::BufRead as _;
use std::net::IpAddr;

use portcullis::pf::loaded::{InterfaceFacts, Loaded};
use portcullis::pf::packet::{Packet, TCP};
use portcullis::pf::rule::{Direction, Family};
use portcullis::pf::verdict::{Because, verdict};
use serde_json::{Value, json};

fn main() {
    for line in std::io::stdin().lock().lines() {
        println!("{}", answer(&serde_json::from_str(&line.unwrap()).unwrap()));
    }
}

fn answer(case: &Value) -> Value {
    let interface = |name: &str, addresses: &[&str]| InterfaceFacts {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let (loaded, problems) = Loaded::from_conf("pf.conf", case["conf"].as_str().unwrap(), &mut |path| {
        case["files"][path].as_str().map(str::to_owned).ok_or_else(|| "no such file".to_owned())
    });
    if !problems.is_empty() {
        return json!({ "verdict": "refused" });
    }
    let en0 = interface("en0", &["192.168.1.10/24", "fe80::1/64"]);
    let loaded = loaded.with_interfaces(vec![en0, interface("lo0", &["127.0.0.1/8", "::1/128"])]);
    let packet = packet(&case["packet"]);
    let found = verdict(&loaded, &packet);
    let passed_by_translation = found.because == Because::TranslationPass;
    let rule = found.rule.filter(|_| !passed_by_translation);
    json!({
        "verdict": found.outcome.to_string(),
        "anchor": rule.as_ref().map_or("", |rule| rule.anchor),
        "rule": rule.as_ref().map(|rule| rule.number),
        "translated": passed_by_translation || found.translated != [packet],
    })
}

fn packet(case: &Value) -> Packet {
    let address = |name: &str| case[name].as_str().unwrap().parse::<IpAddr>().unwrap();
    let number = |name: &str| u16::try_from(case[name].as_u64().unwrap()).unwrap();
    let destination = address("to");
    Packet {
        direction: if case["dir"] == "in" { Direction::In } else { Direction::Out },
        interface: case["on"].as_str().unwrap().to_owned(),
        family: if destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        protocol: TCP,
        source: Some(address("from")),
        source_port: Some(number("from_port")),
        destination: Some(destination),
        destination_port: Some(number("to_port")),
        flags: u8::try_from(number("flags")).unwrap(),
        established: false,
    }
}
