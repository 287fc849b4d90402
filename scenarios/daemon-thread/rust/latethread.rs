//! latethread: a native thread that takes the GIL when the interpreter is ending or gone, through one kind of frame.
//! Std only, so CPython's stable ABI (3.9) is declared by hand. What the thread calls may unwind ("C-unwind"): up to
//! CPython 3.13.7 it ends a late thread by pthread_exit, which unwinds its stack.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

type Object = *mut c_void;
type Function = unsafe extern "C" fn(Object, Object) -> Object;

const METH_NOARGS: c_int = 0x0004;

/// `PyMethodDef`.
#[repr(C)]
struct MethodDef {
    name: *const c_char,
    function: Option<Function>,
    flags: c_int,
    doc: *const c_char,
}

/// `PyModuleDef` with its `PyModuleDef_Base` and `PyObject_HEAD` written out.
#[repr(C)]
struct ModuleDef {
    references: isize,
    kind: Object,
    init: Object,
    index: isize,
    copy: Object,
    name: *const c_char,
    doc: *const c_char,
    size: isize,
    methods: *mut MethodDef,
    slots: Object,
    traverse: Object,
    clear: Object,
    free: Object,
}

extern "C" {
    fn PyModuleDef_Init(definition: *mut ModuleDef) -> Object;
    fn Py_BuildValue(format: *const c_char, ...) -> Object;
    fn Py_IsInitialized() -> c_int;
    fn PyEval_SaveThread() -> Object;
    fn atexit(function: extern "C" fn()) -> c_int;
    fn dlsym(handle: Object, name: *const c_char) -> Object;
    fn pthread_create(
        thread: *mut usize,
        attributes: Object,
        start: unsafe extern "C-unwind" fn(Object) -> Object,
        argument: Object,
    ) -> c_int;
}

extern "C-unwind" {
    fn PyEval_RestoreThread(state: Object);
    fn PyGILState_Ensure() -> c_int;
    fn PyGILState_Release(state: c_int);
}

/// What the process keeps: it opens the window, and hears of the thread's end.
static PROCESS: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);
/// What the thread takes: it waits for the window, and tells of its end.
static THREAD: Mutex<Option<(Receiver<()>, Sender<()>)>> = Mutex::new(None);

/// Where the start meets the thread, once that waits for the window: on a busy machine it may come there late.
static WAITS: Barrier = Barrier::new(2);

fn axis(name: &str) -> String {
    std::env::var(format!("CRASHMATRIX_{name}")).unwrap_or_default()
}

fn say(what: &str) {
    eprintln!("latethread: {what}");
}

/// The thread may hang for ever: a second is ample for what it does otherwise.
fn let_the_thread_run() {
    if let Some((opens, ended)) = &*PROCESS.lock().unwrap() {
        let _ = opens.send(());
        let _ = ended.recv_timeout(Duration::from_secs(1));
    }
    say("the process goes on");
}

/// `Py_IsFinalizing` is public from 3.13 on, the same with an underscore before; neither is in the stable ABI.
fn may_take_the_gil() -> bool {
    let finalizing = [c"Py_IsFinalizing", c"_Py_IsFinalizing"]
        .iter()
        .map(|name| unsafe { dlsym(null_mut(), name.as_ptr()) })
        .find(|found| !found.is_null())
        .map(|found| unsafe { std::mem::transmute::<Object, extern "C" fn() -> c_int>(found) });
    unsafe { Py_IsInitialized() != 0 && !finalizing.is_some_and(|question| question() != 0) }
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        say("the destructor ran");
    }
}

fn guarded() -> bool {
    axis("MITIGATION") == "guard" && !may_take_the_gil()
}

#[inline(never)]
unsafe fn reacquire(opens: &Receiver<()>) {
    let state = PyEval_SaveThread();
    WAITS.wait();
    let _ = opens.recv();
    if guarded() {
        return say("the thread leaves the GIL alone");
    }
    say("the thread takes the GIL");
    PyEval_RestoreThread(state);
    say("the thread has the GIL");
}

#[inline(never)]
unsafe fn raii(opens: &Receiver<()>) {
    let _cleanup = Cleanup;
    reacquire(opens);
}

/// An `extern "C"` function must not be left by unwinding: Rust's form of `noexcept`.
#[inline(never)]
unsafe extern "C" fn without_exceptions(opens: &Receiver<()>) {
    reacquire(opens);
}

#[inline(never)]
unsafe fn ensure(opens: &Receiver<()>) {
    WAITS.wait();
    let _ = opens.recv();
    if guarded() {
        return say("the thread leaves the GIL alone");
    }
    say("the thread takes the GIL");
    let state = PyGILState_Ensure();
    say("the thread has the GIL");
    PyGILState_Release(state);
}

unsafe fn work() {
    let (opens, ended) = THREAD.lock().unwrap().take().unwrap();
    let frame = axis("FRAME");
    if frame == "ensure" {
        ensure(&opens);
    } else {
        let state = PyGILState_Ensure();
        if frame == "noexcept" {
            without_exceptions(&opens);
        } else {
            raii(&opens);
        }
        // One that left the GIL alone must not give it back either.
        if !guarded() {
            PyGILState_Release(state);
        }
    }
    say("the thread came to its end");
    let _ = ended.send(());
}

unsafe extern "C-unwind" fn run(_argument: Object) -> Object {
    work();
    null_mut()
}

/// `std::thread` catches all that unwinds out of a thread; the other frames are of a thread of the C library's own.
unsafe extern "C" fn start(_module: Object, _arguments: Object) -> Object {
    let ((opens, window), (ends, ended)) = (channel(), channel());
    // Never closed: unwinding drops the thread's own end before it is known what becomes of the process.
    std::mem::forget(ends.clone());
    *PROCESS.lock().unwrap() = Some((opens, ended));
    *THREAD.lock().unwrap() = Some((window, ends));
    if axis("FRAME") == "catch-all" {
        std::thread::spawn(|| unsafe { work() });
    } else {
        let mut thread = 0;
        assert_eq!(pthread_create(&mut thread, null_mut(), run, null_mut()), 0);
    }
    let state = PyEval_SaveThread();
    WAITS.wait();
    PyEval_RestoreThread(state);
    Py_BuildValue(c"".as_ptr())
}

extern "C" fn after_finalization() {
    let_the_thread_run();
}

unsafe extern "C" fn at_exit(_module: Object, _arguments: Object) -> Object {
    atexit(after_finalization);
    Py_BuildValue(c"".as_ptr())
}

unsafe extern "C" fn open_window(_module: Object, _arguments: Object) -> Object {
    let state = PyEval_SaveThread();
    let_the_thread_run();
    PyEval_RestoreThread(state);
    Py_BuildValue(c"".as_ptr())
}

const fn method(name: *const c_char, function: Function, doc: *const c_char) -> MethodDef {
    MethodDef { name, function: Some(function), flags: METH_NOARGS, doc }
}

static mut METHODS: [MethodDef; 4] = [
    method(c"start".as_ptr(), start, c"Start the thread; it waits for the window.".as_ptr()),
    method(
        c"at_exit".as_ptr(),
        at_exit,
        c"Open the window from a function that the C library calls in exit().".as_ptr(),
    ),
    method(
        c"open_window".as_ptr(),
        open_window,
        c"Open it now, and give the thread a second without the GIL.".as_ptr(),
    ),
    MethodDef { name: null_mut(), function: None, flags: 0, doc: null_mut() },
];

static mut DEFINITION: ModuleDef = ModuleDef {
    references: 1,
    kind: null_mut(),
    init: null_mut(),
    index: 0,
    copy: null_mut(),
    name: c"latethread".as_ptr(),
    doc: null_mut(),
    size: 0,
    methods: &raw mut METHODS as *mut MethodDef,
    slots: null_mut(),
    traverse: null_mut(),
    clear: null_mut(),
    free: null_mut(),
};

/// The module's entry point, called by the interpreter's import system with the GIL held.
#[no_mangle]
pub unsafe extern "C" fn PyInit_latethread() -> Object {
    PyModuleDef_Init(&raw mut DEFINITION)
}
