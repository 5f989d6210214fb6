//! Threads, their variables, and panics.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

use super::{again, is_again};

#[test]
fn every_thread_has_its_own_variables() {
    thread_local! {
        static LIST: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
        static START: RefCell<String> = RefCell::new("start".to_owned());
    }
    let threads: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                for step in 0..100 {
                    LIST.with_borrow_mut(|list| list.push(number * 1000 + step));
                }
                START.with_borrow_mut(|text| text.push_str(&number.to_string()));
                (LIST.take(), START.take())
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let (list, text) = thread.join().unwrap();
        assert_eq!((list.len(), list[99]), (100, number as u32 * 1000 + 99));
        assert_eq!(text, format!("start{number}"));
    }
    assert!(LIST.take().is_empty());
}

#[test]
fn variables_are_dropped_with_their_thread() {
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local! {
        static COUNTED: Counted = const { Counted };
    }
    for round in 1..=20 {
        std::thread::spawn(|| COUNTED.with(|_| {})).join().unwrap();
        assert_eq!(DROPPED.load(Ordering::SeqCst), round);
    }
}

#[test]
fn a_panic_runs_every_destructor_on_its_way() {
    struct Noted<'a>(&'a AtomicU32);
    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[inline(never)]
    fn deep(level: u32, count: &AtomicU32) -> u64 {
        let _noted = Noted(count);
        let numbers: Vec<u64> = (0..u64::from(level) + 3).collect();
        if level == 0 {
            panic!("at the bottom");
        }
        deep(level - 1, count) + numbers.iter().sum::<u64>()
    }
    let count = AtomicU32::new(0);
    let payload = panic::catch_unwind(AssertUnwindSafe(|| deep(40, &count))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"at the bottom"));
    assert_eq!(count.load(Ordering::SeqCst), 41);
}

#[test]
fn a_panic_ends_its_thread_alone() {
    let result =
        std::thread::Builder::new().name("doomed".into()).spawn(|| panic!("{}", 6 * 7)).unwrap().join();
    assert_eq!(result.unwrap_err().downcast_ref::<String>().unwrap(), "42");
}

#[test]
fn a_backtrace_knows_its_functions() {
    let text = std::backtrace::Backtrace::force_capture().to_string();
    assert!(text.contains("a_backtrace_knows_its_functions"), "{text}");
}

#[test]
fn locks_and_conditions() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pair = Arc::clone(&pair);
            std::thread::spawn(move || {
                for _ in 0..1000 {
                    *pair.0.lock().unwrap() += 1;
                }
                pair.1.notify_all();
            })
        })
        .collect();
    let (count, _) = pair
        .1
        .wait_timeout_while(pair.0.lock().unwrap(), Duration::from_secs(60), |count| *count < 4000)
        .unwrap();
    assert_eq!(*count, 4000);
    drop(count);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let lock = RwLock::new(1);
    assert_eq!(*lock.read().unwrap() + *lock.read().unwrap(), 2);
    *lock.write().unwrap() = 2;
    static ONCE: OnceLock<u32> = OnceLock::new();
    assert_eq!((ONCE.get_or_init(|| 5), ONCE.get_or_init(|| 6)), (&5, &5));
    let barrier = Arc::new(Barrier::new(2));
    let other = Arc::clone(&barrier);
    let thread = std::thread::spawn(move || other.wait().is_leader());
    assert!(barrier.wait().is_leader() != thread.join().unwrap());
}

#[test]
fn waiting_ends_with_its_time() {
    let (sender, receiver) = channel::<()>();
    let start = Instant::now();
    assert_eq!(receiver.recv_timeout(Duration::from_millis(30)), Err(RecvTimeoutError::Timeout));
    std::thread::park_timeout(Duration::from_millis(30));
    std::thread::sleep(Duration::from_millis(30));
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
    let thread = std::thread::spawn(std::thread::park);
    thread.thread().unpark();
    thread.join().unwrap();
    drop(sender);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
}

/// A mutex that was never initialised but by PTHREAD_MUTEX_INITIALIZER.
#[test]
fn a_static_mutex_of_c() {
    struct Shared(std::cell::UnsafeCell<libc::pthread_mutex_t>);
    // SAFETY: a mutex is made to be shared.
    unsafe impl Sync for Shared {}
    static MUTEX: Shared = Shared(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
    // SAFETY: the mutex stays where it is, and is unlocked by the thread that locked it.
    unsafe {
        assert_eq!(libc::pthread_mutex_lock(MUTEX.0.get()), 0);
        let other = std::thread::spawn(|| libc::pthread_mutex_trylock(MUTEX.0.get()));
        assert_eq!(other.join().unwrap(), libc::EBUSY);
        assert_eq!(libc::pthread_mutex_unlock(MUTEX.0.get()), 0);
    }
}

/// Rust finds the end of a thread's stack by what the system says of it, and tells an overflow on a stack of its own.
#[test]
fn a_stack_that_overflows_is_told() {
    use std::os::unix::process::ExitStatusExt as _;
    const NAME: &str = "threads::a_stack_that_overflows_is_told";
    #[inline(never)]
    #[expect(unconditional_recursion, reason = "that is what is tried")]
    fn deep(level: u64) -> u64 {
        let numbers = std::hint::black_box([level; 64]);
        deep(level + 1) + numbers[7]
    }
    if is_again(NAME) {
        println!("{}", deep(0));
        return;
    }
    let output = again(NAME).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("has overflowed its stack"), "{:?}: {said}", output.status);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}

#[test]
fn a_thread_knows_its_stack_and_its_number() {
    const SIZE: usize = 3 << 20;
    let look = || {
        let here = 0u8;
        // SAFETY: a thread asks for its own stack and number.
        let (top, size, number) = unsafe {
            let own = libc::pthread_self();
            let mut number = 0;
            assert_eq!(libc::pthread_threadid_np(own, &raw mut number), 0);
            (libc::pthread_get_stackaddr_np(own) as usize, libc::pthread_get_stacksize_np(own), number)
        };
        let here = &raw const here as usize;
        assert!(here < top && top - here < SIZE, "{here:#x} lies below {top:#x}");
        assert!((SIZE..SIZE + (1 << 20)).contains(&size), "{size:#x}");
        number
    };
    let start = || std::thread::Builder::new().stack_size(SIZE).spawn(look).unwrap();
    let (one, other) = (start(), start());
    assert_ne!(one.join().unwrap(), other.join().unwrap());
}

/// What PTHREAD_MUTEX_RECURSIVE and PTHREAD_MUTEX_ERRORCHECK say is kept.
#[test]
fn the_kinds_of_mutexes_of_c() {
    // SAFETY: the mutex is initialised, used on this thread, and destroyed.
    unsafe {
        for (kind, again) in
            [(libc::PTHREAD_MUTEX_RECURSIVE, 0), (libc::PTHREAD_MUTEX_ERRORCHECK, libc::EBUSY)]
        {
            let mut attributes: libc::pthread_mutexattr_t = std::mem::zeroed();
            assert_eq!(libc::pthread_mutexattr_init(&raw mut attributes), 0);
            assert_eq!(libc::pthread_mutexattr_settype(&raw mut attributes, kind), 0);
            let mut mutex: libc::pthread_mutex_t = std::mem::zeroed();
            assert_eq!(libc::pthread_mutex_init(&raw mut mutex, &raw const attributes), 0);
            assert_eq!(libc::pthread_mutexattr_destroy(&raw mut attributes), 0);
            assert_eq!(libc::pthread_mutex_lock(&raw mut mutex), 0);
            assert_eq!(libc::pthread_mutex_trylock(&raw mut mutex), again);
            assert_eq!(libc::pthread_mutex_destroy(&raw mut mutex), libc::EBUSY, "it is held");
            if again == 0 {
                assert_eq!(libc::pthread_mutex_unlock(&raw mut mutex), 0);
            }
            assert_eq!(libc::pthread_mutex_unlock(&raw mut mutex), 0);
            assert_eq!(libc::pthread_mutex_trylock(&raw mut mutex), 0, "it was given back");
            assert_eq!(libc::pthread_mutex_unlock(&raw mut mutex), 0);
            assert_eq!(libc::pthread_mutex_destroy(&raw mut mutex), 0);
        }
    }
}
