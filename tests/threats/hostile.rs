//! Rows 2, 8 and 10: requests and files that are made to be read wrongly.

use fastrand::Rng;
use portcullis::report::Report;
use portcullis::root::request::{Operation, Permission, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::{Attachment, Ledger};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::seal;
use portcullis::rules::source::Source;
use portcullis::system::{AUDIT, JOURNAL, LEDGER, STATUS, System as _};
use serde_json::Value;

use crate::common::{Lab, request};

/// A request with every word that there is.
fn whole() -> Request {
    let named =
        |name: &str, port: &str| NamedPort { name: name.parse().unwrap(), range: port.parse().unwrap() };
    let networks = vec!["192.168.1.0/24".parse().unwrap(), "fe80::/10".parse().unwrap()];
    let until = Some(portcullis::os::now() + 3600);
    let ports = vec![named("dlv", "2345"), named("pair", "7000-7010")];
    let mut request = request(Operation::Open {
        ports,
        from: Source::Lan { networks },
        until,
        ends: EndKind::Time,
        stay: false,
    });
    request.close = vec![named("node", "9229")];
    request.managed = vec![named("jdwp", "5005")];
    request.shown = vec![named("dlv", "2345")];
    request.way = Some(Attachment::Classic);
    for permission in [Permission::GuardOn, Permission::EditConf, Permission::LoadConf, Permission::Install] {
        request.allow(permission);
    }
    request
}

const HOSTILE: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "65536",
    "22",
    "1-65535",
    "2345-2340",
    "2345=",
    "=dlv",
    "2345=dlv=dlv",
    "2345=DLV",
    "2345=a\"b",
    "2345,2345",
    "2345,,7000",
    ",",
    "any",
    "lan:",
    "lan:0.0.0.0/0",
    "lan:10.0.0.1/8",
    "hosts:any",
    "hosts:10.0.0.5",
    "hosts:::/0",
    "any:10.0.0.0/8",
    "on",
    "off",
    "ON",
    "apple,classic",
    "edit-conf,edit-conf",
    "load-conf,edit-conf",
    "guard-on",
    "all",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59Z",
    "2026-11-25T18:30:00+01:00",
    "2026-11-25 18:30:00Z",
    "never",
    "1e3",
    "0x10",
    "99999999999999999999",
    "$(id)",
    "`id`",
    "a b",
    "a\nblock all",
    "a;b",
    "a|b",
    "a'b",
    "a\\b",
    "ü",
    "\u{202e}",
    "--asker",
    "--from",
    "--until",
    "--guard",
    "--may",
    "--shell",
    "-n",
    "--",
    "open",
    "tick",
    "{\"kind\":\"any\"}",
    "../../etc/passwd",
    "/etc/pf.conf",
    "%s%n",
    "\u{1b}[2J",
];

#[test]
fn threat_08_ten_thousand_hostile_requests_are_refused() {
    let good = whole().words();
    assert!(Request::parse(good.iter().map(String::as_str)).is_ok());
    let mut random = Rng::with_seed(8);
    let mut pick = |below: usize| random.usize(..below);
    let (mut refused, mut tried) = (0, 0);
    while refused < 10_000 {
        let mut words = good.clone();
        for _ in 0..=pick(3) {
            let (at, other) = (pick(words.len()), pick(words.len()));
            match pick(5) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, words[at].clone()),
                2 => words.swap(at, other),
                3 => words.insert(at, HOSTILE[pick(HOSTILE.len())].to_owned()),
                _ => words[at] = HOSTILE[pick(HOSTILE.len())].to_owned(),
            }
            if words.is_empty() {
                break;
            }
        }
        tried += 1;
        match Request::parse(words.iter().map(String::as_str)) {
            // What is taken has the one spelling, each word in its place, each value within its bounds.
            Ok(request) => {
                assert_eq!(request.words(), words);
                assert!(request.validate().is_ok());
            }
            Err(error) => {
                let said = error.to_string();
                assert!(!said.contains(['\n', '\u{1b}', '\u{202e}']), "{said:?}");
                refused += 1;
            }
        }
    }
    assert!(tried < 13_000, "{tried} tried: too many were taken");
}

#[test]
fn threat_08_the_helper_refuses_them_too_and_writes_each_down() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let before = lab.read(LEDGER);
    let good = whole().words();
    let mut count = 0;
    for (at, hostile) in (0..good.len()).zip(HOSTILE.iter().cycle().skip(3)) {
        let mut words: Vec<&str> = good.iter().map(String::as_str).collect();
        words[at] = hostile;
        let said = lab.helper(&words).expect(2);
        assert_eq!(said.json()["outcome"], "unchanged", "{words:?}");
        count += 1;
    }
    assert_eq!(lab.read(LEDGER), before);
    let audit = String::from_utf8(lab.read(AUDIT)).unwrap();
    let malformed = audit.lines().filter(|line| line.contains("\"words\"")).count();
    assert_eq!(malformed, count);
}

/// Whether an object is to be looked at.
type IsMeant = fn(&serde_json::Map<String, Value>) -> bool;

/// The text with one field too many in the object of this number; `None`: there are fewer.
fn with_field(value: &Value, number: &mut usize, is_meant: IsMeant) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            if *number == 0 && is_meant(fields) {
                let mut fields = fields.clone();
                fields.insert("hosts".to_owned(), Value::Array(vec!["10.0.0.5/32".into()]));
                // Where there is a field of that name already.
                fields.insert("unknown".to_owned(), Value::Null);
                return Some(Value::Object(fields));
            }
            *number -= usize::from(is_meant(fields));
            fields.iter().find_map(|(name, inner)| {
                let changed = with_field(inner, number, is_meant)?;
                let mut fields = fields.clone();
                fields.insert(name.clone(), changed);
                Some(Value::Object(fields))
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(at, inner)| {
            let changed = with_field(inner, number, is_meant)?;
            let mut items = items.clone();
            items[at] = changed;
            Some(Value::Array(items))
        }),
        _ => None,
    }
}

fn refuses_a_field_in_every_object<T: serde::de::DeserializeOwned>(what: &str, text: &[u8], least: usize) {
    refuses_a_field_in_each_object::<T>(what, text, least, |_| true);
}

fn refuses_a_field_in_each_object<T: serde::de::DeserializeOwned>(
    what: &str,
    text: &[u8],
    least: usize,
    is_meant: IsMeant,
) {
    assert!(serde_json::from_slice::<T>(text).is_ok(), "{what} does not read as it is");
    let whole: Value = serde_json::from_slice(text).unwrap();
    let mut objects = 0;
    while let Some(changed) = with_field(&whole, &mut objects.clone(), is_meant) {
        let read = serde_json::from_value::<T>(changed.clone());
        assert!(read.is_err(), "{what}: a field too many was taken in {changed}");
        objects += 1;
    }
    assert!(objects >= least, "{what} has {objects} objects: is this test looking at enough?");
}

#[test]
fn threat_08_a_field_too_many_is_refused_in_every_object() {
    use portcullis::root::journal::Journal;
    use portcullis::root::record::Recording;
    use portcullis::root::snapshot::Manifest;
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.request(&whole()).expect(0);
    lab.portcullis(&["open", "4321", "--from", "any"]).expect(0);
    let ledger = lab.read(LEDGER);
    refuses_a_field_in_every_object::<Ledger>("ledger.json", &seal::open(&ledger).unwrap(), 8);
    let status = lab.read(STATUS);
    // serde looks at no field beside the tag of a variant that has none; root does not read this file.
    refuses_a_field_in_each_object::<Report>("status.json", &status, 20, |fields| {
        fields.len() > 1 || !fields.contains_key("kind")
    });
    let ledger = Ledger::parse(&ledger).unwrap();
    let journal = Journal::new(&whole(), &ledger, &Ledger::default(), "B", 1);
    refuses_a_field_in_every_object::<Journal>("journal.json", &serde_json::to_vec(&journal).unwrap(), 15);
    let mut manifests = 0;
    for path in lab.tree().keys().filter(|path| path.ends_with("manifest.json")) {
        let text = seal::open(&lab.read(&path.to_string_lossy())).unwrap();
        refuses_a_field_in_every_object::<Manifest>("manifest.json", &text, 2);
        manifests += 1;
    }
    assert!(manifests > 1, "{manifests} manifests: is this test looking at the right name?");
    let recording = r#"{"version":1,"pid":1,"boot":"B","since":1,"until":2,"stop":false,"made_interface":true,"ended":{"at":1,"because":"x"}}"#;
    if serde_json::from_str::<Recording>(recording).is_ok() {
        refuses_a_field_in_every_object::<Recording>("recording.json", recording.as_bytes(), 2);
    }
    let request = serde_json::to_vec(&whole()).unwrap();
    refuses_a_field_in_every_object::<Request>("a journalled request", &request, 7);
}

#[test]
fn threat_10_ten_thousand_hostile_ledgers_open_nothing_that_no_request_could() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.request(&whole()).expect(0);
    let whole = seal::open(&lab.read(LEDGER)).unwrap();
    let mut random = Rng::with_seed(10);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..10_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.u64(..3) {
            let at = random.usize(..bytes.len());
            match random.u64(..4) {
                0 => bytes[at] ^= 1 << random.u64(..8),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789{}[]\",:-/ex"[random.usize(..21)]),
                _ => bytes.truncate(at.max(3)),
            }
        }
        // With and without a hash that is right all the same, as another program may have written it.
        let bytes = if random.u64(..2) == 0 { bytes } else { seal::sealed(&bytes) };
        match Ledger::parse(&bytes) {
            Ok(ledger) => {
                assert!(ledger.check_bounds().is_ok());
                taken += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 8000, "{refused} refused, {taken} taken");
    // A user's ledger that was trusted once: it opened 1-65535. It refuses openings, and closes.
    let wide = r#"{"version":1,"guard":"on","openings":[{"name":"a","port":"1-65535","from":{"kind":"any"},"until":null,"since":1,"by":"eve"}],"managed":[],"token":null,"way":"apple"}"#;
    lab.write(LEDGER, seal::close(&serde_json::from_str::<Value>(wide).unwrap()).unwrap());
    lab.portcullis(&["open", "4321", "--from", "any"]).expect(1);
    assert!(!lab.rules().contains("4321") && !lab.rules().contains("1:65535"), "{}", lab.rules());
    lab.portcullis(&["close", "--all"]).expect(0);
    assert!(!lab.rules().contains("keep state"), "{}", lab.rules());
}

/// What a disk does to a file: one bit. Root and the app, which reads the ledger too, take neither for a whole one.
#[test]
fn threat_10_each_bit_that_flips_in_ledger_and_journal_is_noticed() {
    use portcullis::root::journal::{Journal, JournalError};
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.request(&whole()).expect(0);
    let files = lab.system().files();
    let ledger = lab.read(LEDGER);
    Journal::new(&whole(), &Ledger::parse(&ledger).unwrap(), &Ledger::default(), "B", 1)
        .write(&files)
        .unwrap();
    let journal = lab.read(JOURNAL);
    assert!(Journal::read(&files).unwrap().is_some());
    let mut random = Rng::with_seed(600);
    for _ in 0..600 {
        let flip = |bytes: &[u8], random: &mut Rng| {
            let mut bytes = bytes.to_vec();
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u64(..8);
            bytes
        };
        assert!(Ledger::parse(&flip(&ledger, &mut random)).is_err());
        lab.write(JOURNAL, flip(&journal, &mut random));
        assert!(matches!(Journal::read(&files), Err(JournalError::Seal(_))));
    }
    std::fs::remove_file(lab.file(JOURNAL)).unwrap();
    // Nothing is opened by one, and everything closes.
    let text = String::from_utf8(ledger).unwrap().replacen("2345", "2344", 1);
    lab.write(LEDGER, text);
    lab.portcullis(&["open", "4321", "--from", "any"]).expect(1);
    lab.portcullis(&["close", "--all"]).expect(0);
    assert!(!lab.rules().contains("keep state"), "{}", lab.rules());
}

#[test]
fn threat_14_a_ledger_does_not_grow_without_bound() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let open = |first: u16| {
        let range = format!("{first}-{}", first + 255).parse().unwrap();
        lab.request(&request(Operation::Open {
            ports: vec![NamedPort::unnamed(range)],
            from: Source::Any,
            until: None,
            ends: EndKind::Time,
            stay: false,
        }))
    };
    for first in [20_000, 20_256, 20_512, 20_768] {
        open(first).expect(0);
    }
    let said = open(21_024).expect(1);
    assert!(said.err.contains("more than 1024") && said.err.contains("nothing was changed"), "{}", said.err);
    lab.portcullis(&["close", "--all"]).expect(0);
}
