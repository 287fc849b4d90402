/* Python embedded: a thread keeps the state that PyGILState_Ensure made for it, and looks at it when Python is gone. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t state_is_kept, python_is_gone;

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

static void *run(void *unused) {
    PyThreadState *state;
    (void)unused;
    PyGILState_Ensure();
    state = PyEval_SaveThread();
    sem_post(&state_is_kept);
    wait_for(&python_is_gone);
    look_at_state(state);
    return NULL;
}

int main(void) {
    pthread_t thread;
    sem_init(&state_is_kept, 0, 0);
    sem_init(&python_is_gone, 0, 0);
    Py_InitializeEx(0);
    if (pthread_create(&thread, NULL, run, NULL) != 0) {
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
