//! Any bytes as a script and as a pf.conf: nothing panics, and taking the useless lines out leaves every other byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::pf::recipes::{is_command, of_script, useless_lines, without_lines};
use portcullis::pf::rulesets::Rulesets;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count();
    for found in of_script(&text) {
        assert!((1..=lines.max(1)).contains(&found.line));
        assert!(!found.recipe.to_string().is_empty());
    }
    let _ = text.lines().filter(|line| is_command(line)).count();
    let conf = Rulesets::load_conf("/etc/pf.conf", &text, &mut |_| Err("no such file".into()));
    let numbers: Vec<usize> =
        useless_lines("/etc/pf.conf", &text, &conf).iter().map(|useless| useless.number).collect();
    let left = without_lines(text.as_bytes(), &numbers);
    let kept = text.split_inclusive('\n').enumerate().filter(|(index, _)| !numbers.contains(&(index + 1)));
    assert_eq!(left, kept.flat_map(|(_, line)| line.bytes()).collect::<Vec<u8>>());
});
