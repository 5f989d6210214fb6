//! One pass over the socket table, with 1,000 listeners in 100 processes, beside what others need for the same.
//!
//! `cargo bench --no-default-features --bench sockets`. netstat2 gives sockets and process ids; we give these and
//! name, path, user and arguments of the owners. lsof and ss are measured as they are called from a program.

#[cfg(target_os = "linux")]
use std::hint::black_box;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use criterion::Criterion;

const PROCESSES: usize = 100;
const LISTENERS_EACH: usize = 10;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let processes: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
    let mut criterion = Criterion::default().configure_from_args().sample_size(30);
    let mut group = criterion.benchmark_group("1000 listeners in 100 processes");
    group.bench_function("portcullis", |bencher| {
        bencher.iter(|| {
            let found = portcullis::sockets::listeners().expect("the socket table");
            assert!(found.len() >= PROCESSES * LISTENERS_EACH);
            found
        });
    });
    #[cfg(target_os = "linux")]
    group.bench_function("netstat2", |bencher| {
        use netstat2::{AddressFamilyFlags, ProtocolFlags, get_sockets_info};
        let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
        bencher.iter(|| black_box(get_sockets_info(families, ProtocolFlags::TCP).expect("netstat2")));
    });
    for line in ["ss -ltnp", "lsof -nP -iTCP -sTCP:LISTEN"] {
        let words: Vec<&str> = line.split(' ').collect();
        let run = || Command::new(words[0]).args(&words[1..]).stderr(Stdio::null()).output();
        if run().is_ok() {
            group.bench_function(line, |bencher| bencher.iter(run));
        }
    }
    group.finish();
    criterion.final_summary();
    for mut process in processes {
        drop(process.stdin.take());
        let _ = process.wait();
    }
}

/// Starts one of the processes and waits until it listens.
fn start() -> Child {
    let me = std::env::current_exe().expect("this program");
    let mut child = Command::new(me)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the process starts");
    let mut ready = [0];
    child.stdout.take().expect("its output").read_exact(&mut ready).expect("it is ready");
    child
}

/// Listens until its standard input ends.
fn serve() {
    let bind = |_| TcpListener::bind("127.0.0.1:0").expect("a listener");
    let listeners: Vec<TcpListener> = (0..LISTENERS_EACH).map(bind).collect();
    println!("r");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(listeners);
}
