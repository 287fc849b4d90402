/* What a master sees of its workers' ends: linked into uWSGI by -Wl,--wrap=waitpid (Dockerfile.*.j2).

   Each process that a waitpid() of uWSGI's own code reaps is a line "WAITER PID STATUS" of the file that
   CRASHMATRIX_ENDS names (orchestrator/supervisor/ends.py). Nothing else of uWSGI changes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t __real_waitpid(pid_t pid, int *status, int options);

static void tell(pid_t ended, int status)
{
    const char *path = getenv("CRASHMATRIX_ENDS");
    char line[64];
    int file, size;
    ssize_t written;

    if (!path)
        return;
    size = snprintf(line, sizeof line, "%d %d %d\n", (int)getpid(), (int)ended, status);
    file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0)
        return;
    /* One write of a short line: lines of several processes do not mix. */
    written = write(file, line, size);
    (void)written;
    close(file);
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    int seen = 0;
    pid_t ended = __real_waitpid(pid, &seen, options);
    int error = errno;

    if (ended > 0) {
        if (status)
            *status = seen;
        if (WIFEXITED(seen) || WIFSIGNALED(seen))
            tell(ended, seen);
    }
    errno = error;
    return ended;
}
