//! lateprobe: calls what CPython offers about signals from a C atexit handler, or from a Rust thread that it wakes.
//!
//! Std only, no binding to Python: `PyOS_setsig` and its kind are not in the limited API, so everything is looked up
//! by name, and the driver loads this with ctypes.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::mem::transmute_copy;
use std::process::exit;
use std::ptr::null_mut;
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread::{spawn, JoinHandle};

type Handler = usize;

extern "C" {
    fn atexit(function: extern "C" fn()) -> c_int;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn raise(signal: c_int) -> c_int;
}

const RTLD_DEFAULT: *mut c_void = null_mut();
const SIGSEGV: c_int = 11;
/// SIGUSR2: no signal of Python's own, and one that uWSGI needs no more once it ends.
const SIGNAL: c_int = 12;
const SIG_IGN: Handler = 1;

/// What the driver asked for, and what was installed then.
struct Order {
    call: String,
    mitigation: String,
    /// What signal.signal had installed for `SIGNAL`.
    python_handler: Handler,
    /// What handled SIGSEGV.
    segv_handler: Handler,
}

static ORDER: OnceLock<Order> = OnceLock::new();
static ENDED: Barrier = Barrier::new(2);
static THREAD: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// A function of CPython by its name; the caller names its type.
unsafe fn look_up<Function>(name: &CStr) -> Option<Function> {
    let address = dlsym(RTLD_DEFAULT, name.as_ptr());
    (!address.is_null()).then(|| transmute_copy(&address))
}

unsafe fn find<Function>(name: &CStr) -> Function {
    look_up(name).unwrap_or_else(|| {
        eprintln!("lateprobe: this CPython has no {}", name.to_string_lossy());
        exit(3)
    })
}

unsafe fn set_handler(signal: c_int, handler: Handler) {
    find::<extern "C" fn(c_int, Handler) -> Handler>(c"PyOS_setsig")(signal, handler);
}

unsafe fn handler_of(signal: c_int) -> Handler {
    find::<extern "C" fn(c_int) -> Handler>(c"PyOS_getsig")(signal)
}

/// `Py_IsFinalizing` is public from 3.13 on; what sys.is_finalizing() returns.
unsafe fn is_finalizing() -> bool {
    type Ask = extern "C" fn() -> c_int;
    let ask: Ask = look_up(c"Py_IsFinalizing").unwrap_or_else(|| find(c"_Py_IsFinalizing"));
    ask() != 0
}

unsafe fn held_back(order: &Order) -> bool {
    let finalizing = is_finalizing();
    let initialized = find::<extern "C" fn() -> c_int>(c"Py_IsInitialized")() != 0;
    eprintln!("lateprobe: finalizing {}, initialized {}", finalizing as u8, initialized as u8);
    order.mitigation == "is-finalizing" && finalizing
}

/// The frame that a reader of the backtrace looks for. Never a tail call: the code after it says that it returned.
#[inline(never)]
unsafe fn call_late(order: &Order) {
    match order.call.as_str() {
        "chain" => {
            set_handler(SIGNAL, order.python_handler);
            raise(SIGNAL);
        }
        "setsig" => set_handler(SIGNAL, SIG_IGN),
        "getsig" => drop(handler_of(SIGNAL)),
        "set-interrupt" => find::<extern "C" fn()>(c"PyErr_SetInterrupt")(),
        "err-occurred" => drop(find::<extern "C" fn() -> *mut c_void>(c"PyErr_Occurred")()),
        "check-signals" => drop(find::<extern "C" fn() -> c_int>(c"PyErr_CheckSignals")()),
        "faulthandler" => {
            let same = handler_of(SIGSEGV) == order.segv_handler;
            eprintln!("lateprobe: SIGSEGV is handled {}", if same { "as before faulthandler" } else { "otherwise" });
        }
        _ => {}
    }
    eprintln!("lateprobe: {} returned", order.call);
}

fn act() {
    let order = ORDER.get().expect("late_arm was called");
    unsafe {
        if held_back(order) {
            eprintln!("lateprobe: {} held back", order.call);
        } else {
            call_late(order);
        }
    }
}

extern "C" fn at_exit() {
    let thread = THREAD.lock().unwrap().take();
    match thread {
        None => act(),
        Some(thread) => {
            ENDED.wait();
            thread.join().unwrap();
        }
    }
}

unsafe fn text(pointer: *const c_char) -> String {
    CStr::from_ptr(pointer).to_string_lossy().into_owned()
}

/// Register the C atexit handler, and start the thread that it is to wake; to be called by Python's main thread, once.
#[no_mangle]
pub unsafe extern "C" fn late_arm(what: *const c_char, from: *const c_char, remedy: *const c_char) {
    ORDER.get_or_init(|| Order {
        call: text(what),
        mitigation: text(remedy),
        python_handler: handler_of(SIGNAL),
        segv_handler: handler_of(SIGSEGV),
    });
    if text(from) == "thread" {
        *THREAD.lock().unwrap() = Some(spawn(|| {
            ENDED.wait();
            act();
        }));
    }
    atexit(at_exit);
}
