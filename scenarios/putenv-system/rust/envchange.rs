//! envchange: a Rust thread that changes the process's environment with `std::env::set_var`.
//!
//! The standard library guards the environment by a lock of its own, which no code outside Rust takes: `system` in
//! libc and CPython's `os.putenv` do not. Std only, no Python in it: the driver loads it with ctypes.

use std::env::{remove_var, set_var, vars_os};
use std::ffi::{c_char, c_int, c_long, CStr};
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Mutex;
use std::thread::{sleep, spawn, JoinHandle};
use std::time::Duration;

static RUNNING: AtomicBool = AtomicBool::new(false);
static CHANGES: AtomicI64 = AtomicI64::new(0);
/// 1 while the environment is changed or, by the driver, a program executed: the mitigation "lock".
static LOCKED: AtomicBool = AtomicBool::new(false);
static CHANGER: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// The kernel refuses an environment of more than a quarter of the stack limit: adding ends here.
const MOST_NAMES: i64 = 20_000;

fn change_once(change: &str, number: i64) {
    if change == "overwrite" {
        set_var("CM_CHANGED", if number % 2 == 1 { "short" } else { "a value that is longer" });
        return;
    }
    let name = format!("CM_{}", number % MOST_NAMES);
    set_var(&name, "x");
    if change == "shrink" {
        remove_var(&name);
    }
}

/// What a thread does besides: memory of the size that the array of pointers had is used again, for text. Both blocks
/// stay: the text fits where the old array was, and the other one lies behind the new array, so that it cannot grow in
/// place. Without them growing mostly does no harm. `black_box` keeps the compiler from leaving them out.
fn use_memory(pointers: usize) {
    let size = pointers * size_of::<*const c_char>();
    std::mem::forget(std::hint::black_box(vec![b'A'; size]));
    std::mem::forget(std::hint::black_box(Vec::<u8>::with_capacity(size)));
}

fn change_until_stopped(change: &str, locked: bool, most: i64) {
    let before = vars_os().count();
    for number in 0..most {
        if !RUNNING.load(Ordering::Relaxed) {
            break;
        }
        if locked {
            envchange_lock();
        }
        change_once(change, number);
        if locked {
            envchange_unlock();
        }
        CHANGES.fetch_add(1, Ordering::Relaxed);
        if change == "grow" {
            use_memory(before + number as usize + 1);
            sleep(Duration::from_micros(50));
        }
    }
}

/// Change the environment `most` times in this thread, before any other was started.
///
/// # Safety
/// `change` is a string that ends with NUL.
#[no_mangle]
pub unsafe extern "C" fn envchange_now(change: *const c_char, most: c_long) {
    RUNNING.store(true, Ordering::Relaxed);
    change_until_stopped(&CStr::from_ptr(change).to_string_lossy(), false, most);
    RUNNING.store(false, Ordering::Relaxed);
}

/// # Safety
/// `change` is a string that ends with NUL.
#[no_mangle]
pub unsafe extern "C" fn envchange_start(change: *const c_char, locked: c_int) {
    let change = CStr::from_ptr(change).to_string_lossy().into_owned();
    RUNNING.store(true, Ordering::Relaxed);
    let most = if change == "grow" { MOST_NAMES } else { i64::MAX };
    let thread = spawn(move || change_until_stopped(&change, locked != 0, most));
    *CHANGER.lock().unwrap() = Some(thread);
}

/// Returns how many changes were made.
#[no_mangle]
pub extern "C" fn envchange_stop() -> c_long {
    RUNNING.store(false, Ordering::Relaxed);
    if let Some(thread) = CHANGER.lock().unwrap().take() {
        thread.join().unwrap();
    }
    CHANGES.load(Ordering::Relaxed)
}

/// A lock whose two halves are called from C: a guard cannot live across them.
#[no_mangle]
pub extern "C" fn envchange_lock() {
    while LOCKED.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        sleep(Duration::from_micros(20));
    }
}

#[no_mangle]
pub extern "C" fn envchange_unlock() {
    LOCKED.store(false, Ordering::Release);
}
