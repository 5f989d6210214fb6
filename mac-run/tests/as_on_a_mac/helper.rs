//! The helper by itself, as root runs it: answers, undoing, states in the kernel.

use portcullis::root::request::{Operation, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::Moment;

use crate::root::Mac;

pub fn open(port: &str) -> Request {
    request(Operation::Open {
        ports: vec![named(port)],
        from: Source::Any,
        until: None,
        ends: EndKind::Time,
        stay: false,
    })
}

fn named(port: &str) -> NamedPort {
    NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() }
}

pub fn close(port: &str) -> Request {
    request(Operation::Close { ports: vec![named(port)] })
}

/// A request of ada's, made now on the Mac that is played.
fn request(action: Operation) -> Request {
    let boot = portcullis::os::boot_id().unwrap().to_uppercase();
    // The Mac's clock is another one of Linux's, and may be behind this one by a few seconds.
    let clock = portcullis::os::clock().saturating_sub(30);
    let made = Moment { time: portcullis::os::now(), boot, clock };
    Request::new(action, "ada", made)
}

fn guard(on: bool) -> Request {
    request(Operation::Guard { on })
}

/// A Mac whose guard is on.
pub fn guarded() -> Mac {
    let mac = Mac::new();
    mac.request(&guard(true)).expect(0);
    mac
}

#[test]
fn only_root_is_served() {
    let mac = Mac::new();
    let helper = "/Applications/Portcullis.app/Contents/MacOS/portcullis-helper";
    let output = mac.by_user(helper).arg("status").output().unwrap();
    let said = crate::root::Said::of(output).expect(2);
    assert!(said.err.contains("root alone"), "{}", said.err);
    mac.helper(&["status"]).expect(0);
}

#[test]
fn bad_requests_end_with_2() {
    let mac = guarded();
    let before = mac.substance();
    for arguments in [&[][..], &["open"], &["pass all"], &["fly"], &["record", "0"]] {
        let said = mac.helper(arguments).expect(2);
        assert_eq!(said.json()["outcome"], "unchanged", "{arguments:?}");
    }
    assert_eq!(mac.substance(), before);
}

#[test]
fn the_guard_takes_a_token_and_gives_it_back() {
    let mac = guarded();
    assert!(mac.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled"));
    assert!(mac.pfctl(&["-s", "References"]).expect(0).out.contains("TOKENS"));
    mac.request(&guard(false)).expect(0);
    assert!(mac.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Disabled"));
    assert_eq!(mac.rules(), "");
}

#[test]
fn pf_that_others_hold_stays_on() {
    let mac = guarded();
    mac.pfctl(&["-E"]).expect(0);
    mac.request(&guard(false)).expect(0);
    assert!(mac.pfctl(&["-s", "info"]).expect(0).out.contains("Status: Enabled"));
}

#[test]
fn a_load_that_fails_is_undone() {
    let mac = guarded();
    // The guard looks after the port from then on.
    mac.request(&open("2345")).expect(0);
    mac.request(&close("2345")).expect(0);
    let (before, rules) = (mac.substance(), mac.rules());
    // The check passes, the first load fails, the undo's load works.
    mac.wrap(
        "/sbin/pfctl",
        "case \"$*\" in *-n*) ;; *'-f '*) if ! test -e /tmp/once; then : > /tmp/once; /bin/cat >/dev/null; \
         echo 'pfctl: DIOCXCOMMIT: Device busy' >&2; exit 1; fi;; esac\nexec $real \"$@\"",
    );
    let said = mac.request(&open("2345")).expect(4);
    assert_eq!(said.json()["outcome"], "restored");
    assert!(said.err.contains("Device busy") && said.err.contains("everything was put back"), "{}", said.err);
    mac.unwrap("/sbin/pfctl");
    assert_eq!((mac.substance(), mac.rules()), (before, rules));
}

#[test]
fn links_on_the_way_are_not_followed() {
    let mac = guarded();
    std::fs::rename(mac.place("/private/etc/pf.anchors"), mac.place("/private/tmp/anchors")).unwrap();
    std::os::unix::fs::symlink("../tmp/anchors", mac.place("/private/etc/pf.anchors")).unwrap();
    let said = mac.request(&open("2345")).expect(1);
    assert!(said.err.contains("symbolic link"), "{}", said.err);
}

#[test]
fn folders_that_others_can_write_are_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let mac = guarded();
    let anchors = mac.place("/private/etc/pf.anchors");
    std::fs::set_permissions(&anchors, std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = mac.request(&open("2345")).expect(1);
    assert!(said.err.contains("/etc/pf.anchors"), "{}", said.err);
}

#[test]
fn one_request_at_a_time_and_none_is_lost() {
    let mac = guarded();
    std::thread::scope(|scope| {
        for port in 4000..4004 {
            let command = mac.request_command(&open(&port.to_string()));
            scope.spawn(move || {
                let mut command = command;
                crate::root::Said::of(command.output().unwrap()).expect(0)
            });
        }
    });
    let rules = mac.rules();
    for port in 4000..4004 {
        assert!(rules.contains(&format!("port = {port}")), "{port} in {rules}");
    }
}

const STATES: &str = "/private/var/pf/states";
const CUT: &str = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n";
const KEPT: &str = "ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50001       ESTABLISHED:ESTABLISHED\n\
                    ALL tcp 192.168.1.2:22 <- 192.168.1.9:50002       ESTABLISHED:ESTABLISHED\n\
                    ALL tcp 192.168.1.2:51000 -> 140.82.112.3:443       ESTABLISHED:ESTABLISHED\n\
                    ALL udp 192.168.1.2:51001 -> 1.1.1.1:53       MULTIPLE:SINGLE\n";

/// What the crate `pfctl` 0.7.0 asks for, masks and ports of zero, drops every TCP connection of the Mac.
#[test]
fn closing_cuts_the_connection_that_is_refused_and_no_other() {
    let mac = guarded();
    mac.request(&open("2345")).expect(0);
    mac.write(STATES, &format!("{CUT}{KEPT}"));
    let said = mac.request(&request(Operation::CloseAll {})).expect(0);
    assert_eq!(mac.read(STATES), KEPT);
    assert!(said.out.contains("1 open connection was cut"), "{}", said.out);
}

/// The two differ in the client's address alone.
#[test]
fn connections_are_told_apart_by_their_addresses() {
    let mac = guarded();
    mac.request(&open("2345")).expect(0);
    let of =
        |client: &str| format!("ALL tcp 192.168.1.2:2345 <- {client}:50000       ESTABLISHED:ESTABLISHED\n");
    mac.write(STATES, &format!("{}{}", of("192.168.1.21"), of("192.168.1.20")));
    let from = Source::Hosts { hosts: vec!["192.168.1.20/32".parse().unwrap()] };
    let narrower =
        Operation::Open { ports: vec![named("2345")], from, until: None, ends: EndKind::Time, stay: false };
    mac.request(&request(narrower)).expect(0);
    assert_eq!(mac.read(STATES), of("192.168.1.20"));
}

#[test]
fn connections_over_ipv6_are_cut_too() {
    let mac = guarded();
    mac.request(&open("2345")).expect(0);
    let cut = "ALL tcp 2001:db8::2[2345] <- 2001:db8::9[50000]       ESTABLISHED:ESTABLISHED\n";
    let kept = "ALL tcp 2001:db8::2[22] <- 2001:db8::9[50001]       ESTABLISHED:ESTABLISHED\n";
    mac.write(STATES, &format!("{cut}{kept}"));
    mac.request(&request(Operation::CloseAll {})).expect(0);
    assert_eq!(mac.read(STATES), kept);
}
