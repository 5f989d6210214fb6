//! What rows say of ports that are open on one network.

use super::*;
use crate::rules::sample::{home, opening};
use crate::system::NetworkFacts;

/// On a network behind this router.
fn on(router: u8) -> NetworkFacts {
    NetworkFacts {
        interface: "en0".into(),
        prefixes: vec!["10.1.2.0/24".parse().unwrap()],
        gateway: format!("a4:91:b1:00:00:0{router}").parse().ok(),
    }
}

/// Pf's verdict on a port that is opened so.
fn verdict_on(opening: &Opening) -> PfVerdict {
    let is_in = |is: bool| if is && !opening.is_paused() { Answer::Yes } else { Answer::No };
    report_sample::verdict(opening.port, is_in(true), is_in(opening.from == Source::Any))
}

#[test]
fn what_ends_at_no_set_time_says_that_it_ends_with_its_network() {
    let mut rows = Vec::new();
    for from in ["any", "lan:10.1.2.0/24", "hosts:10.0.0.5"] {
        for (restart, stay) in [(false, false), (true, false), (false, true), (true, true)] {
            let home = Some(home(1));
            let opening = Opening { home, restart, stay, ..opening("2345", from, 0) };
            let status = status(|facts, report| {
                report.set(verdict_on(&opening));
                report.openings = vec![opening];
                facts.networks = vec![on(1)];
            });
            rows.push(row(&status, "port:2345"));
        }
    }
    insta::assert_snapshot!(rows.join("\n"), @r"
    [x] 2345  Delve — open for anyone until you leave
    [x] 2345  Delve — open for anyone until restart or leave
    [x] 2345  Delve — open for anyone
    [x] 2345  Delve — open for anyone until the restart
    [x] 2345  Delve — open until you leave
    [x] 2345  Delve — open until restart or leave
    [x] 2345  Delve — open for this network
    [x] 2345  Delve — open until the restart
    [x] 2345  Delve — open for 10.0.0.5 until you leave
    [x] 2345  Delve — open for 10.0.0.5
    [x] 2345  Delve — open for 10.0.0.5
    [x] 2345  Delve — open for 10.0.0.5 until the restart
    ");
}

#[test]
fn an_open_port_names_its_network_where_this_mac_is_on_another() {
    let any = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
    let paused = Opening { let_in: Some(Vec::new()), ..any.clone() };
    let rows: Vec<String> = [
        (any.clone(), vec![on(1)]),
        (any.clone(), vec![on(2)]),
        (Opening { stay: true, ..any }, vec![on(2)]),
        (Opening { away: true, ..paused.clone() }, vec![on(2)]),
        (paused, vec![]),
    ]
    .into_iter()
    .map(|(opening, networks)| {
        let status = status(|facts, report| {
            report.set(verdict_on(&opening));
            report.openings = vec![opening];
            facts.networks = networks;
        });
        row(&status, "port:2345")
    })
    .collect();
    insta::assert_snapshot!(rows.join("\n"), @r"
    [x] 2345  Delve — open for anyone until you leave
    [x] 2345  Delve — about to pause: not on 10.1.2.0/24
    [x] 2345  Delve — open for anyone
    [x] 2345  Delve — paused: not on 10.1.2.0/24
    [x] 2345  Delve — paused: not on 10.1.2.0/24
    ");
}

#[test]
fn what_is_paused_waits_where_no_network_is_known() {
    let any = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
    let paused = Opening { let_in: Some(Vec::new()), ..any };
    let steps: Vec<String> = [(true, vec![on(2)]), (false, vec![])]
        .into_iter()
        .map(|(away, networks)| {
            let status = status(|facts, report| {
                report.set(verdict(Answer::No));
                report.openings = vec![Opening { away, ..paused.clone() }];
                listening(facts, "dlv dap (7)", "every address", Bind::Every);
                facts.networks = networks;
            });
            format!("{} / {}", row(&status, "says:2345").trim(), row(&status, "next:2345").trim())
        })
        .collect();
    insta::assert_snapshot!(steps.join("\n"), @r"
    Paused: this Mac is on another network, so none reaches dlv dap / Next: Open for the Network That This Mac Is On…
    Paused: this Mac is on no network that is known, so none reaches dlv dap / Next: wait until this Mac is on a network  (grey)
    ");
}
