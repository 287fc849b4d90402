//! tlsprobe by PyO3: the Rust probe's `thread_local!`, but with the panic left to PyO3, as its users leave it.

use std::cell::RefCell;

use pyo3::prelude::*;

/// What a request leaves behind in its thread. Boxed, so that it has a destructor to run.
struct Session {
    uses: Box<i64>,
}

impl Session {
    fn use_once(&mut self) -> i64 {
        *self.uses += 1;
        *self.uses
    }
}

thread_local! {
    static SESSION: RefCell<Session> = RefCell::new(Session { uses: Box::new(0) });
}

/// What the mitigation `try-with` does instead: the destroyed value is an error, not a panic.
fn handle_error() {
    match SESSION.try_with(|session| session.borrow_mut().use_once()) {
        Ok(uses) => eprintln!("tlsprobe: atexit callback ran, value alive (use {uses})"),
        Err(_) => eprintln!("tlsprobe: atexit callback ran, value destroyed (try_with said so)"),
    }
}

#[pymodule]
mod tlsprobe {
    use super::{handle_error, pyfunction, SESSION};

    /// Use this thread's session, making it first; returns how often it was used.
    #[pyfunction]
    fn touch() -> i64 {
        SESSION.with(|session| session.borrow_mut().use_once())
    }

    /// Use this thread's session once more, and say what was seen; nothing here catches the panic of `with`.
    #[pyfunction]
    fn atexit_handler() {
        if std::env::var_os("CRASHMATRIX_MITIGATION").is_some_and(|name| name == "try-with") {
            return handle_error();
        }
        let uses = SESSION.with(|session| session.borrow_mut().use_once());
        eprintln!("tlsprobe: atexit callback ran, value alive (use {uses})");
    }
}
