//! How long it takes to read a ruleset and to reach a verdict: 100 to 100,000 rules, flat and in 100 anchors.
//!
//! Asked of it: 10,000 rules are read in under 30 ms and judged in under 2 ms, and ten times as many take ten times
//! as long.

#![allow(missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::pf::criteria::Direction;
use portcullis::pf::packet::Packet;
use portcullis::pf::parse::parse_text;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::verdict;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const ANCHORS: usize = 100;

/// Rules of several shapes, none of them quick, so that a verdict looks at each.
fn rules(count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let (a, b, port) = (index / 250 % 250, index % 250, 1024 + index % 60_000);
        let _ = match index % 4 {
            0 => writeln!(
                text,
                "pass in on en0 inet proto tcp from 10.{a}.{b}.0/24 to any port {port} label \"r{index}\""
            ),
            1 => writeln!(text, "block drop in log on ! lo0 proto udp from any to any port {port}"),
            2 => writeln!(text, "pass in proto tcp from any to 192.168.{a}.{b} port {port}:{}", port + 9),
            _ => writeln!(text, "block return in inet6 proto tcp from fd00:{a:x}:{b:x}::/48 to any"),
        };
    }
    text
}

/// The same rules spread over anchors: the main ruleset, and the text of each.
fn in_anchors(count: usize) -> (String, Vec<String>) {
    let mut main = String::new();
    for anchor in 0..ANCHORS {
        let _ = writeln!(main, "anchor \"a{anchor}\"\nload anchor \"a{anchor}\" from \"{anchor}\"");
    }
    (main, (0..ANCHORS).map(|_| rules(count / ANCHORS)).collect())
}

fn load(main: &str, anchors: &[String]) -> Rulesets {
    let (loaded, problems) = Rulesets::from_conf("pf.conf", main, &mut |name| {
        let anchor = name.parse::<usize>().ok().and_then(|index| anchors.get(index));
        anchor.cloned().ok_or_else(|| "no such file".into())
    });
    assert!(problems.is_empty());
    loaded
}

fn packet() -> Packet {
    let host = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 20));
    let mac = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10));
    Packet::syn(Direction::In, "en0", host, mac, 2345)
}

fn measure(criterion: &mut Criterion) {
    let packet = packet();
    for shape in ["flat", "in 100 anchors"] {
        let texts = SIZES.map(|size| match shape {
            "flat" => (size, rules(size), Vec::new()),
            _ => {
                let (main, anchors) = in_anchors(size);
                (size, main, anchors)
            }
        });
        let mut group = criterion.benchmark_group(format!("read, {shape}"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(3))
            .warm_up_time(Duration::from_millis(500));
        for (size, main, anchors) in &texts {
            group.throughput(Throughput::Elements(*size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| match anchors.is_empty() {
                    true => drop(black_box(parse_text("pf.conf", main))),
                    false => drop(black_box(load(main, anchors))),
                });
            });
        }
        group.finish();
        let mut group = criterion.benchmark_group(format!("verdict, {shape}"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(3))
            .warm_up_time(Duration::from_millis(500));
        for (size, main, anchors) in &texts {
            let loaded = load(main, anchors);
            group.throughput(Throughput::Elements(*size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| black_box(verdict(&loaded, &packet)).outcome);
            });
        }
        group.finish();
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
