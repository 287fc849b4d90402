//! envrace: a Rust thread sets environment variables (as openssl-probe does) while another one reads them.
//!
//! `std::env` guards the environment by a lock that only Rust code takes: libc's getenv and strerror do not.
//! Std only, no Python in it: the driver loads it with ctypes.

use std::env::{set_var, var_os, vars_os};
use std::ffi::{c_char, c_int};
use std::hint::black_box;
use std::mem::{forget, size_of, MaybeUninit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread::{sleep, spawn, JoinHandle};
use std::time::Duration;

extern "C" {
    fn getenv(name: *const c_char) -> *mut c_char;
    fn strerror(number: c_int) -> *mut c_char;
}

const ENOENT: c_int = 2;
/// Each new name makes glibc's setenv reallocate the array of pointers.
const MOST_NAMES: usize = 1000;

static RUNNING: AtomicBool = AtomicBool::new(false);
/// The mitigation "lock".
static ENVIRONMENT: Mutex<()> = Mutex::new(());
static THREADS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// What a thread does besides: it uses the memory of the old array again, for text, in which a reader of the old array
/// finds letters for a pointer. Only the second half is written: what the old array began with is left to be found. Both
/// blocks stay: the other one lies behind the new array, so that it cannot grow in place.
fn use_memory(pointers: usize) {
    let size = pointers * size_of::<*const c_char>();
    let mut text = Vec::<u8>::with_capacity(size);
    text.spare_capacity_mut()[size / 2..].fill(MaybeUninit::new(b'A'));
    forget(black_box(text));
    forget(black_box(Vec::<u8>::with_capacity(size)));
}

fn set_name(name: &str, locked: bool) {
    let _guard = locked.then(|| ENVIRONMENT.lock().unwrap());
    set_var(name, "/etc/ssl/certs");
}

fn set_names(locked: bool) {
    let before = vars_os().count();
    for number in 0..MOST_NAMES {
        if !RUNNING.load(Ordering::Relaxed) {
            break;
        }
        set_name(&format!("CM_SET_{number}"), locked);
        use_memory(before + number + 1);
        sleep(Duration::from_micros(100));
    }
}

/// How the environment is read: by libc, or by Rust's own function under Rust's own lock.
#[derive(Clone, Copy)]
enum Reader {
    Getenv,
    Strerror,
    EnvVar,
}

/// The frame that a reader of the backtrace looks for below libc's.
#[inline(never)]
fn read_environment(reader: Reader) {
    match reader {
        Reader::Getenv => drop(black_box(unsafe { getenv(c"CM_NOT_THERE".as_ptr()) })),
        Reader::Strerror => drop(black_box(unsafe { strerror(ENOENT) })),
        Reader::EnvVar => drop(black_box(var_os("CM_NOT_THERE"))),
    }
}

/// Set every variable in this thread, before any other was started: the mitigation "before-threads".
#[no_mangle]
pub extern "C" fn envrace_set_now() {
    RUNNING.store(true, Ordering::Relaxed);
    set_names(false);
    RUNNING.store(false, Ordering::Relaxed);
}

#[no_mangle]
pub extern "C" fn envrace_start_writer(locked: c_int) {
    RUNNING.store(true, Ordering::Relaxed);
    THREADS.lock().unwrap().push(spawn(move || set_names(locked != 0)));
}

/// 0 reads by getenv, 1 by strerror, 2 by `std::env::var_os`: the mitigation "rust-lock".
#[no_mangle]
pub extern "C" fn envrace_start_reader(how: c_int, locked: c_int) {
    let reader = [Reader::Getenv, Reader::Strerror, Reader::EnvVar][how as usize];
    RUNNING.store(true, Ordering::Relaxed);
    THREADS.lock().unwrap().push(spawn(move || {
        while RUNNING.load(Ordering::Relaxed) {
            let _guard = (locked != 0).then(|| ENVIRONMENT.lock().unwrap());
            read_environment(reader);
        }
    }));
}

#[no_mangle]
pub extern "C" fn envrace_stop() {
    RUNNING.store(false, Ordering::Relaxed);
    for thread in THREADS.lock().unwrap().drain(..) {
        thread.join().unwrap();
    }
}
