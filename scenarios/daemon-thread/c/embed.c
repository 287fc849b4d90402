/* The program of the 2019 post: it embeds Python, and a thread of its own takes the GIL when Python is gone.

   A pthread takes the GIL, releases it and waits; main finalizes Python and goes on. The window is opened by a
   semaphore where the post sleeps for seconds. */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

static sem_t thread_waits, window_opens, thread_ended;
static int guarded, joined, ensure;

static void say(const char *what) { fprintf(stderr, "latethread: %s\n", what); }

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

static void let_the_thread_run(void) {
    struct timespec until;
    sem_post(&window_opens);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    while (sem_timedwait(&thread_ended, &until) != 0 && errno == EINTR) {
    }
}

static int may_take_the_gil(void) {
    int (*finalizing)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsFinalizing");
    if (!finalizing) {
        finalizing = (int (*)(void))dlsym(RTLD_DEFAULT, "_Py_IsFinalizing");
    }
    return Py_IsInitialized() && !(finalizing && finalizing());
}

static void cleanup(void *unused) {
    (void)unused;
    say("the cleanup handler ran");
}

static void *run(void *unused) {
    PyGILState_STATE state = PyGILState_UNLOCKED;
    PyThreadState *saved = NULL;
    (void)unused;
    if (!ensure) {
        state = PyGILState_Ensure();
        saved = PyEval_SaveThread();
    }
    sem_post(&thread_waits);
    wait_for(&window_opens);
    if (guarded && !may_take_the_gil()) {
        say("the thread leaves the GIL alone");
    } else {
        pthread_cleanup_push(cleanup, NULL);
        say("the thread takes the GIL");
        if (ensure) {
            state = PyGILState_Ensure();
        } else {
            PyEval_RestoreThread(saved);
        }
        say("the thread has the GIL");
        PyGILState_Release(state);
        pthread_cleanup_pop(0);
    }
    say("the thread came to its end");
    sem_post(&thread_ended);
    return NULL;
}

static PyObject *open_window(PyObject *self, PyObject *arguments) {
    (void)self, (void)arguments;
    Py_BEGIN_ALLOW_THREADS
    let_the_thread_run();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"open", open_window, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "window", NULL, 0, methods, NULL, NULL, NULL, NULL};

static PyObject *make_window(void) { return PyModuleDef_Init(&definition); }

static const char OPENS[] =
    "import sys, window\n"
    "class OpensWindow:\n"
    "    def __init__(self, open_window): self.open_window = open_window\n"
    "    def __del__(self): self.open_window()\n"
    "sys.opens_window = OpensWindow(window.open)\n";

int main(void) {
    const int during = strcmp(getenv("CRASHMATRIX_WINDOW"), "during") == 0;
    pthread_t thread;
    guarded = strcmp(getenv("CRASHMATRIX_MITIGATION"), "guard") == 0;
    joined = strcmp(getenv("CRASHMATRIX_MITIGATION"), "join") == 0;
    ensure = strcmp(getenv("CRASHMATRIX_FRAME"), "ensure") == 0;
    sem_init(&thread_waits, 0, 0);
    sem_init(&window_opens, 0, 0);
    sem_init(&thread_ended, 0, 0);
    PyImport_AppendInittab("window", make_window);
    Py_InitializeEx(0);
    if (pthread_create(&thread, NULL, run, NULL) != 0) {
        return 3;
    }
    Py_BEGIN_ALLOW_THREADS
    wait_for(&thread_waits);
    if (joined) {
        let_the_thread_run();
    }
    Py_END_ALLOW_THREADS
    if (during && !joined && PyRun_SimpleString(OPENS) != 0) {
        return 3;
    }
    if (Py_FinalizeEx() != 0) {
        return 3;
    }
    if (!during && !joined) {
        let_the_thread_run();
    }
    say("the process goes on");
    return 0;
}
