// latethread: a native thread that takes the GIL when the interpreter is ending or gone, through one kind of frame.
//
// Built once against CPython's stable ABI (3.9) and glibc 2.17; loads in every later CPython and glibc. The window is
// opened by a semaphore, not by the clock: what happens does not depend on how busy the machine is.
#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

sem_t thread_waits, window_opens, thread_ended;
bool guarded;

void say(const char *what) { std::fprintf(stderr, "latethread: %s\n", what); }

void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

// The thread may hang for ever: a second is ample for what it does otherwise.
void let_the_thread_run() {
    sem_post(&window_opens);
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    while (sem_timedwait(&thread_ended, &until) != 0 && errno == EINTR) {
    }
}

// Py_IsFinalizing is public from 3.13 on, the same with an underscore before; neither is in the stable ABI.
bool may_take_the_gil() {
    using Question = int (*)();
    void *found = dlsym(RTLD_DEFAULT, "Py_IsFinalizing");
    if (!found) {
        found = dlsym(RTLD_DEFAULT, "_Py_IsFinalizing");
    }
    Question finalizing;
    std::memcpy(&finalizing, &found, sizeof finalizing);
    return Py_IsInitialized() && !(finalizing && finalizing());
}

struct Cleanup {
    ~Cleanup() { say("the destructor ran"); }
};

// Not inlined, and with something after the call: gcc 4.8.5 turns a last call into a jump, and the frame with its
// exception specification is gone before the thread gets there.
__attribute__((noinline)) void reacquire() {
    PyThreadState *state = PyEval_SaveThread();
    sem_post(&thread_waits);
    wait_for(&window_opens);
    if (guarded && !may_take_the_gil()) {
        say("the thread leaves the GIL alone");
        return;
    }
    say("the thread takes the GIL");
    PyEval_RestoreThread(state);
    say("the thread has the GIL");
    asm volatile("");
}

__attribute__((noinline)) void raii() {
    Cleanup cleanup;
    reacquire();
    asm volatile("");
}

__attribute__((noinline)) void without_exceptions() noexcept {
    reacquire();
    asm volatile("");
}

__attribute__((noinline)) void catch_all() {
    try {
        reacquire();
    } catch (...) {
        say("caught all");
    }
    asm volatile("");
}

__attribute__((noinline)) void ensure() {
    sem_post(&thread_waits);
    wait_for(&window_opens);
    if (guarded && !may_take_the_gil()) {
        say("the thread leaves the GIL alone");
        return;
    }
    say("the thread takes the GIL");
    const PyGILState_STATE state = PyGILState_Ensure();
    say("the thread has the GIL");
    PyGILState_Release(state);
}

void *run(void *frame) {
    const char *name = static_cast<const char *>(frame);
    if (std::strcmp(name, "ensure") == 0) {
        ensure();
    } else {
        const PyGILState_STATE state = PyGILState_Ensure();
        if (std::strcmp(name, "noexcept") == 0) {
            without_exceptions();
        } else if (std::strcmp(name, "catch-all") == 0) {
            catch_all();
        } else {
            raii();
        }
        // One that left the GIL alone must not give it back either.
        if (!guarded || may_take_the_gil()) {
            PyGILState_Release(state);
        }
    }
    say("the thread came to its end");
    sem_post(&thread_ended);
    return nullptr;
}

void after_finalization() {
    let_the_thread_run();
    say("the process goes on");
}

}  // namespace

extern "C" {

static PyObject *start(PyObject *, PyObject *) {
    sem_init(&thread_waits, 0, 0);
    sem_init(&window_opens, 0, 0);
    sem_init(&thread_ended, 0, 0);
    guarded = std::strcmp(std::getenv("CRASHMATRIX_MITIGATION"), "guard") == 0;
    pthread_t thread;
    if (pthread_create(&thread, nullptr, run, std::getenv("CRASHMATRIX_FRAME")) != 0) {
        PyErr_SetString(PyExc_OSError, "no thread");
        return nullptr;
    }
    pthread_detach(thread);
    Py_BEGIN_ALLOW_THREADS
    wait_for(&thread_waits);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *at_exit(PyObject *, PyObject *) {
    std::atexit(after_finalization);
    Py_RETURN_NONE;
}

static PyObject *open_window(PyObject *, PyObject *) {
    Py_BEGIN_ALLOW_THREADS
    let_the_thread_run();
    Py_END_ALLOW_THREADS
    say("the process goes on");
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start", start, METH_NOARGS, "Start the thread; returns once it waits for the window, without the GIL."},
    {"at_exit", at_exit, METH_NOARGS, "Open the window from a function that the C library calls in exit()."},
    {"open_window", open_window, METH_NOARGS, "Open it now, and give the thread a second without the GIL."},
    {nullptr, nullptr, 0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "latethread", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit_latethread(void) { return PyModuleDef_Init(&definition); }

}  // extern "C"
