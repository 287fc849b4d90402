// tlsprobe: a C++ thread_local with a destructor, touched from a request and again from a Python atexit callback.
//
// Built once against CPython's stable ABI (3.9) and glibc 2.17; loads in every later CPython and glibc.
#include <Python.h>

#include <cstdio>
#include <optional>

namespace {

// What a request leaves behind in its thread: a connection, a buffer, a cache.
struct Session {
    Session() : uses(new long(0)) {}
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    ~Session() {
        delete uses;
        uses = nullptr;
    }

    // volatile: a store to an object whose lifetime ends is dead to the optimiser. At -O2 the plain store
    // in the destructor is removed, a later use reads freed memory instead, and mostly nothing is seen.
    // Public: an accessor would be inlined, and stand above `atexit_handler` as the frame of the fault.
    long *volatile uses;
};

// libc++'s ~optional, which zig links in, does not clear its "engaged" flag, so the dead value still passes the
// `if (!session)` below. libstdc++'s does, unless gcc can remove that store, as it can where the value's destructor
// calls no function: compiled by g++, this very probe finds no value and does not crash.
thread_local std::optional<Session> session;

}  // namespace

extern "C" {

static PyObject *touch(PyObject *, PyObject *) {
    if (!session) {
        session.emplace();
    }
    return PyLong_FromLong(++*session->uses);
}

// Not static, never inlined: the name is asserted in backtraces.
__attribute__((noinline, visibility("hidden"))) PyObject *atexit_handler(PyObject *, PyObject *) {
    if (!session) {
        std::fputs("tlsprobe: atexit callback ran, value never made in this thread\n", stderr);
        Py_RETURN_NONE;
    }
    const long uses = ++*session->uses;  // the fault, where the thread_local was destroyed before
    std::fprintf(stderr, "tlsprobe: atexit callback ran, value alive (use %ld)\n", uses);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"touch", touch, METH_NOARGS, "Use this thread's session, making it first; returns how often it was used."},
    {"atexit_handler", atexit_handler, METH_NOARGS, "Use this thread's session once more, and say what was seen."},
    {nullptr, nullptr, 0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "tlsprobe", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_tlsprobe(void) { return PyModuleDef_Init(&definition); }

}  // extern "C"
