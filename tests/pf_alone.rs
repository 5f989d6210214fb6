//! The language of pf knows nothing of Portcullis: `src/pf/` and `src/port.rs` are a whole without the rest.
//!
//! That this compiles is the test; it has no harness, so that pf's unit tests do not run once more here.

#![allow(dead_code, unused_imports)]

#[path = "../src/pf/mod.rs"]
mod pf;
#[path = "../src/port.rs"]
mod port;

fn main() {
    let text = "block in all\npass in proto tcp to port 2345\n";
    let (loaded, problems) =
        pf::rulesets::Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".into()));
    assert_eq!(problems, []);
    let range = "2345".parse::<port::PortRange>().unwrap();
    let answers = pf::explain::answers(&loaded.with_assumed_interfaces(None), range, &[]);
    assert_eq!(answers.anyone.verdict, pf::verdict::Decision::Pass);
}
