//! The program itself, the clock, sysctl, libproc; and what is not there.

use std::ffi::{CStr, c_void};
use std::time::{Duration, Instant, SystemTime};

use super::{again, is_again};

#[test]
fn a_program_knows_itself() {
    let own = std::env::current_exe().unwrap();
    assert!(own.is_absolute() && own.is_file());
    let mut buffer = [0u8; 4096];
    // SAFETY: the buffer is as long as said.
    let length = unsafe { libc::proc_pidpath(std::process::id() as i32, buffer.as_mut_ptr().cast(), 4096) };
    assert_eq!(std::str::from_utf8(&buffer[..length as usize]).unwrap(), own.to_str().unwrap());
    assert!(std::env::current_dir().unwrap().is_absolute());
}

#[test]
fn clocks_go_on() {
    let (wall, start) = (SystemTime::now(), Instant::now());
    std::thread::sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(wall.elapsed().unwrap() >= Duration::from_millis(19));
    // 2020 to 2100.
    let now = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!((1_577_836_800..4_102_444_800).contains(&now), "{now}");
    let mut last = Instant::now();
    for _ in 0..10_000 {
        let next = Instant::now();
        assert!(next >= last);
        last = next;
    }
}

fn by_name(name: &CStr) -> Result<Vec<u8>, i32> {
    let error = || std::io::Error::last_os_error().raw_os_error().unwrap();
    // SAFETY: the name is a C string; the second call has room for what the first said.
    unsafe {
        let mut length = 0;
        if libc::sysctlbyname(name.as_ptr(), std::ptr::null_mut(), &raw mut length, std::ptr::null_mut(), 0)
            != 0
        {
            return Err(error());
        }
        let mut value = vec![0u8; length + 4096];
        length = value.len();
        if libc::sysctlbyname(
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        ) != 0
        {
            return Err(error());
        }
        value.truncate(length);
        Ok(value)
    }
}

#[test]
fn the_boot_has_an_id() {
    let id = by_name(c"kern.bootsessionuuid").unwrap();
    assert_eq!((id.len(), id[36]), (37, 0));
    assert_eq!(by_name(c"kern.bootsessionuuid").unwrap(), id);
    assert_eq!(by_name(c"kern.nosuchvariable"), Err(libc::ENOENT));
    let mut small = [0u8; 4];
    let mut length = small.len();
    let name = c"kern.bootsessionuuid";
    // SAFETY: there is room for as much as said.
    let result = unsafe {
        libc::sysctlbyname(name.as_ptr(), small.as_mut_ptr().cast(), &raw mut length, std::ptr::null_mut(), 0)
    };
    assert_eq!((result, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ENOMEM)));
}

#[test]
fn every_tcp_socket_is_listed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_be_bytes();
    let list = by_name(c"net.inet.tcp.pcblist_n").unwrap();
    let word = |at: usize| u32::from_ne_bytes(list[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 24);
    let (mut at, mut mine) = (24, None);
    while word(at) != 24 {
        // XSO_INPCB: the local port is at 18, the families at 44.
        if word(at + 4) == 0x10 && list[at + 18..at + 20] == port {
            mine = Some(list[at + 44]);
        }
        at += (word(at) as usize).next_multiple_of(8);
    }
    assert_eq!(mine, Some(1), "IPv4");
}

#[test]
fn libproc_tells_of_this_process() {
    const PROC_PIDTBSDINFO: i32 = 3;
    let mut info = [0u8; 136];
    // SAFETY: there is room for the structure.
    let length = unsafe {
        libc::proc_pidinfo(std::process::id() as i32, PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), 136)
    };
    let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
    // SAFETY: takes nothing.
    let (user, parent) = unsafe { (libc::getuid(), libc::getppid() as u32) };
    assert_eq!((length, word(12), word(16), word(20)), (136, std::process::id(), parent, user));
    // SAFETY: there is room for four bytes, and for none.
    unsafe {
        let mut pids = [0i32; 4096];
        let bytes = libc::proc_listallpids(pids.as_mut_ptr().cast::<c_void>(), size_of_val(&pids) as i32);
        assert!(pids[..bytes as usize].contains(&(std::process::id() as i32)));
        let nobody = libc::proc_pidinfo(i32::MAX, PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), 136);
        assert_eq!((nobody, std::io::Error::last_os_error().raw_os_error()), (0, Some(libc::ESRCH)));
    }
}

#[test]
fn random_bytes_differ() {
    let mut buffers = [[0u8; 32]; 2];
    for buffer in &mut buffers {
        // SAFETY: there is room for the bytes.
        assert_eq!(unsafe { libc::getentropy(buffer.as_mut_ptr().cast(), 32) }, 0);
    }
    assert_ne!(buffers[0], buffers[1]);
}

#[test]
fn memory_can_be_mapped_and_protected() {
    // SAFETY: fresh memory, given back at the end.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(std::ptr::null_mut(), 8192, both, flags, -1, 0).cast::<u8>();
        assert_ne!(page.cast(), libc::MAP_FAILED);
        *page = 7;
        assert_eq!((*page, *page.add(8191)), (7, 0));
        assert_eq!(libc::mprotect(page.cast(), 4096, libc::PROT_READ), 0);
        assert_eq!(*page, 7, "it can be read still");
        let zeros = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY);
        assert_eq!(libc::read(zeros, page.cast(), 1), -1);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(libc::read(zeros, page.add(4096).cast(), 1), 1);
        libc::close(zeros);
        assert_eq!(libc::munmap(page.cast(), 8192), 0);
    }
    assert_eq!(page_size(), 4096);
}

fn page_size() -> i64 {
    // SAFETY: takes a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }
}

/// Whether a byte at `place` can be read: a pipe takes it, or says EFAULT.
fn can_be_read(pipe: [i32; 2], place: *const u8) -> bool {
    let mut byte = 0u8;
    // SAFETY: both ends are open, and there is room for the byte.
    unsafe {
        libc::write(pipe[1], place.cast(), 1) == 1 && libc::read(pipe[0], (&raw mut byte).cast(), 1) == 1
    }
}

#[test]
fn memory_that_was_given_back_is_gone() {
    let mut pipe = [0; 2];
    // SAFETY: there is room for two descriptors; fresh memory, not used once it was given back.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let mut is_gone = false;
        // Another thread may be given the place at once, and then it can be read.
        for _ in 0..100 {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, flags, -1, 0).cast::<u8>();
            assert!(can_be_read(pipe, page));
            assert_eq!(libc::munmap(page.cast(), 4096), 0);
            is_gone |= !can_be_read(pipe, page);
        }
        assert!(is_gone);
        pipe.map(|end| libc::close(end));
    }
}

#[test]
fn a_function_that_is_not_there_is_not_found() {
    // SAFETY: C strings.
    unsafe {
        assert!(libc::dlsym(libc::RTLD_DEFAULT, c"no_such_function_anywhere".as_ptr()).is_null());
        assert!(!libc::dlsym(libc::RTLD_DEFAULT, c"getpid".as_ptr()).is_null());
    }
}

#[link(name = "CoreFoundation", kind = "framework")]
unsafe extern "C" {
    fn CFRunLoopGetMain() -> *const c_void;
}

/// Where a Mac is played, a call that nothing stands for ends the program with its name. On a Mac it just works.
#[test]
fn a_call_without_a_shim_ends_with_its_name() {
    const NAME: &str = "system::a_call_without_a_shim_ends_with_its_name";
    if is_again(NAME) {
        // SAFETY: takes nothing.
        let run_loop = unsafe { CFRunLoopGetMain() };
        println!("{run_loop:?}");
        return;
    }
    let output = again(NAME).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let played = output.status.code() == Some(99) && said.contains("CFRunLoopGetMain, which has no shim");
    assert!(played || output.status.success(), "{:?}: {said}", output.status);
}

/// As above, of a number that has no meaning here.
#[test]
fn a_number_without_a_meaning_ends_with_its_name() {
    const NAME: &str = "system::a_number_without_a_meaning_ends_with_its_name";
    if is_again(NAME) {
        // SAFETY: takes numbers alone; no such command exists.
        unsafe { libc::fcntl(0, 9999) };
        return;
    }
    let output = again(NAME).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let played = output.status.code() == Some(99) && said.contains("fcntl: command 9999 is not known here");
    assert!(played || output.status.success(), "{:?}: {said}", output.status);
}
