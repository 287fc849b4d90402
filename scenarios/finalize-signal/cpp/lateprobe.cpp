// lateprobe: calls what CPython offers about signals from a C atexit handler, or from a native thread that it wakes.
//
// No Python header: PyOS_setsig and its kind are not in the limited API, so everything is looked up by name, and the
// driver loads this with ctypes.
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using Handler = void (*)(int);

// No signal of Python's own, and one that uWSGI needs no more once it ends.
constexpr int SIGNAL = SIGUSR2;

const char *call;
const char *mitigation;
bool by_thread;
Handler python_handler;       // what signal.signal had installed for SIGNAL
struct sigaction before_arm;  // of SIGSEGV
pthread_t thread;
pthread_barrier_t ended;

template <typename Function>
Function *find(const char *name) {
    void *const address = dlsym(RTLD_DEFAULT, name);
    if (address == nullptr) {
        std::fprintf(stderr, "lateprobe: this CPython has no %s\n", name);
        std::_Exit(3);
    }
    return reinterpret_cast<Function *>(address);
}

bool is(const char *wanted) { return std::strcmp(call, wanted) == 0; }

bool is_finalizing() {
    // Public from 3.13 on; what sys.is_finalizing() returns.
    const bool is_public = dlsym(RTLD_DEFAULT, "Py_IsFinalizing") != nullptr;
    return find<int()>(is_public ? "Py_IsFinalizing" : "_Py_IsFinalizing")() != 0;
}

bool held_back() {
    const bool finalizing = is_finalizing();
    const bool initialized = find<int()>("Py_IsInitialized")() != 0;
    std::fprintf(stderr, "lateprobe: finalizing %d, initialized %d\n", finalizing, initialized);
    return std::strcmp(mitigation, "is-finalizing") == 0 && finalizing;
}

void describe_segv_handler() {
    struct sigaction now;
    sigaction(SIGSEGV, nullptr, &now);
    const bool same = now.sa_handler == before_arm.sa_handler;
    std::fprintf(stderr, "lateprobe: SIGSEGV is handled %s\n", same ? "as before faulthandler" : "otherwise");
}

// The frame that a reader of the backtrace looks for. Never a tail call: the code after it says that it returned.
__attribute__((noinline)) void call_late() {
    if (is("chain")) {
        find<Handler(int, Handler)>("PyOS_setsig")(SIGNAL, python_handler);
        raise(SIGNAL);
    } else if (is("setsig")) {
        find<Handler(int, Handler)>("PyOS_setsig")(SIGNAL, SIG_IGN);
    } else if (is("getsig")) {
        find<Handler(int)>("PyOS_getsig")(SIGNAL);
    } else if (is("set-interrupt")) {
        find<void()>("PyErr_SetInterrupt")();
    } else if (is("err-occurred")) {
        find<void *()>("PyErr_Occurred")();
    } else if (is("check-signals")) {
        find<int()>("PyErr_CheckSignals")();
    } else if (is("faulthandler")) {
        describe_segv_handler();
    }
    std::fprintf(stderr, "lateprobe: %s returned\n", call);
}

void act() {
    if (held_back()) {
        std::fprintf(stderr, "lateprobe: %s held back\n", call);
        return;
    }
    call_late();
}

void *wait_and_act(void *) {
    pthread_barrier_wait(&ended);
    act();
    return nullptr;
}

void at_exit() {
    if (!by_thread) {
        act();
        return;
    }
    pthread_barrier_wait(&ended);
    pthread_join(thread, nullptr);
}

}  // namespace

// Register the C atexit handler, and start the thread that it is to wake; to be called by Python's main thread, once.
extern "C" __attribute__((visibility("default"))) void late_arm(const char *what, const char *from, const char *remedy) {
    call = strdup(what);
    mitigation = strdup(remedy);
    by_thread = std::strcmp(from, "thread") == 0;
    python_handler = find<Handler(int)>("PyOS_getsig")(SIGNAL);
    sigaction(SIGSEGV, nullptr, &before_arm);
    if (by_thread) {
        pthread_barrier_init(&ended, nullptr, 2);
        pthread_create(&thread, nullptr, wait_and_act, nullptr);
    }
    std::atexit(at_exit);
}
