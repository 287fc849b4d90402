/* Python embedded: a thread keeps the state that PyGILState_Ensure made for it, and looks at it when Python is gone. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

static sem_t state_is_kept, python_is_gone;

/* The remedy: what the thread keeps outlives the state, and is told before that is freed. */
static struct {
    pthread_mutex_t lock;
    PyThreadState *state;
} wrapper = {PTHREAD_MUTEX_INITIALIZER, NULL};

static int is_wrapped(void) {
    const char *mitigation = getenv("CRASHMATRIX_MITIGATION");
    return mitigation != NULL && strcmp(mitigation, "wrapper") == 0;
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

/* Not inlined: the name is asserted in the stack of the read. */
__attribute__((noinline)) static void look_at_state(PyThreadState *state) {
    /* volatile: what nobody reads would not be asked for. */
    PyInterpreterState *volatile interpreter = state->interp; /* compiled here, so AddressSanitizer sees it */
    interpreter = PyThreadState_GetInterpreter(state);
    fprintf(stderr, "freedstate: looked at the state%s\n", interpreter ? "" : ", which names no interpreter");
}

static void look_through_wrapper(void) {
    pthread_mutex_lock(&wrapper.lock); /* while it is held, the state cannot be freed */
    if (wrapper.state != NULL) {
        look_at_state(wrapper.state);
    } else {
        fputs("freedstate: the wrapper says that the state is gone\n", stderr);
    }
    pthread_mutex_unlock(&wrapper.lock);
}

/* An atexit callback of Python's: those run before finalization frees the states, Py_AtExit's functions after. */
static PyObject *empty_wrapper(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    pthread_mutex_lock(&wrapper.lock);
    wrapper.state = NULL;
    pthread_mutex_unlock(&wrapper.lock);
    Py_RETURN_NONE;
}

static int empty_wrapper_at_exit(void) {
    static PyMethodDef callback = {"empty_wrapper", empty_wrapper, METH_NOARGS, NULL};
    PyObject *function = PyCFunction_New(&callback, NULL);
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *registered = function && atexit ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    int failed = registered == NULL;
    Py_XDECREF(registered);
    Py_XDECREF(atexit);
    Py_XDECREF(function);
    return failed;
}

static void *run(void *unused) {
    PyThreadState *state;
    (void)unused;
    PyGILState_Ensure();
    state = PyEval_SaveThread();
    wrapper.state = state;
    sem_post(&state_is_kept);
    wait_for(&python_is_gone);
    if (is_wrapped()) {
        look_through_wrapper();
    } else {
        look_at_state(state);
    }
    return NULL;
}

int main(void) {
    pthread_t thread;
    sem_init(&state_is_kept, 0, 0);
    sem_init(&python_is_gone, 0, 0);
    Py_InitializeEx(0);
    if (empty_wrapper_at_exit() || pthread_create(&thread, NULL, run, NULL) != 0) {
        return 3;
    }
    Py_BEGIN_ALLOW_THREADS
    wait_for(&state_is_kept);
    Py_END_ALLOW_THREADS
    if (Py_FinalizeEx() != 0) {
        return 3;
    }
    sem_post(&python_is_gone);
    pthread_join(thread, NULL);
    return 0;
}
