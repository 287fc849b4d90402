//! tlsprobe: a Rust `thread_local!` with a destructor, touched from a request and again from a
//! Python atexit callback. Std only, so CPython's stable ABI (3.9) is declared by hand.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_long, c_void};
use std::panic::catch_unwind;
use std::ptr::null_mut;

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
    fn PyLong_FromLong(value: c_long) -> Object;
    fn Py_BuildValue(format: *const c_char, ...) -> Object;
}

/// What a request leaves behind in its thread. Boxed, so that it has a destructor to run.
struct Session {
    uses: Box<c_long>,
}

impl Session {
    fn use_once(&mut self) -> c_long {
        *self.uses += 1;
        *self.uses
    }
}

thread_local! {
    static SESSION: RefCell<Session> = RefCell::new(Session { uses: Box::new(0) });
}

unsafe extern "C" fn touch(_module: Object, _arguments: Object) -> Object {
    PyLong_FromLong(SESSION.with(|session| session.borrow_mut().use_once()))
}

/// What the mitigation `try-with` does instead: the destroyed value is an error, not a panic.
fn handle_error() {
    match SESSION.try_with(|session| session.borrow_mut().use_once()) {
        Ok(uses) => eprintln!("tlsprobe: atexit callback ran, value alive (use {uses})"),
        Err(_) => eprintln!("tlsprobe: atexit callback ran, value destroyed (try_with said so)"),
    }
}

/// `with` panics once the value is destroyed. A panic must not leave an `extern "C"` function: that aborts.
#[inline(never)]
unsafe extern "C" fn atexit_handler(_module: Object, _arguments: Object) -> Object {
    if std::env::var_os("CRASHMATRIX_MITIGATION").is_some_and(|name| name == "try-with") {
        handle_error();
        return Py_BuildValue(c"".as_ptr());
    }
    match catch_unwind(|| SESSION.with(|session| session.borrow_mut().use_once())) {
        Ok(uses) => eprintln!("tlsprobe: atexit callback ran, value alive (use {uses})"),
        Err(_) => eprintln!("tlsprobe: atexit callback ran, value destroyed (panic caught)"),
    }
    Py_BuildValue(c"".as_ptr())
}

const fn method(name: *const c_char, function: Function, doc: *const c_char) -> MethodDef {
    MethodDef { name, function: Some(function), flags: METH_NOARGS, doc }
}

static mut METHODS: [MethodDef; 3] = [
    method(
        c"touch".as_ptr(),
        touch,
        c"Use this thread's session, making it first; returns how often it was used.".as_ptr(),
    ),
    method(
        c"atexit_handler".as_ptr(),
        atexit_handler,
        c"Use this thread's session once more, and say what was seen.".as_ptr(),
    ),
    MethodDef { name: null_mut(), function: None, flags: 0, doc: null_mut() },
];

static mut DEFINITION: ModuleDef = ModuleDef {
    references: 1,
    kind: null_mut(),
    init: null_mut(),
    index: 0,
    copy: null_mut(),
    name: c"tlsprobe".as_ptr(),
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
pub unsafe extern "C" fn PyInit_tlsprobe() -> Object {
    PyModuleDef_Init(&raw mut DEFINITION)
}
