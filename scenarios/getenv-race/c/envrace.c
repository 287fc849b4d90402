/* The story without Python: one thread reads the environment while the main thread sets variables. */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_NAMES = 120, /* cpp/envrace.cpp says why there are so many */
    MILLISECONDS = 400,
};

static atomic_bool stopping;
static const char *volatile answer; /* read by nobody; it keeps the calls from being optimised away */

/* The frame that a reader of the backtrace looks for below libc's. */
__attribute__((noinline)) static void read_environment(const char *reader) {
    if (strcmp(reader, "strerror") == 0) {
        answer = strerror(ENOENT);
    } else {
        answer = getenv("CM_NOT_THERE");
    }
}

static void *read_until_stopped(void *reader) {
    while (!stopping) {
        read_environment(reader);
    }
    return NULL;
}

/* The memory of the old array is used again, for text; only its second half is written (cpp/envrace.cpp). */
static void use_memory(const void *old, long pointers) {
    const size_t size = (size_t)pointers * sizeof(char *);
    char *others[8], *volatile small;
    char *text = malloc(size);
    int count = 0;
    while (text != old && count < 8) { /* what malloc held ready before it */
        others[count++] = text;
        text = malloc(size);
    }
    memset(text + size / 2, 'A', size - size / 2);
    small = strcpy(malloc(24), "small"); /* the new array cannot grow */
    (void)small;
    while (count > 0) {
        free(others[--count]);
    }
}

static void pause_for(long milliseconds) {
    const struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static void set_names(void) {
    long before = 0;
    while (environ[before]) {
        ++before;
    }
    for (long number = 0; number < MOST_NAMES; ++number) {
        const void *old = environ;
        char name[32];
        snprintf(name, sizeof name, "CM_SET_%ld", number);
        setenv(name, "/etc/ssl/certs", 1);
        use_memory(old, before + number + 1);
        pause_for(1);
    }
}

/* The value of an axis; a copy, since what getenv returns may be replaced. */
static char *axis(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return strdup(value ? value : otherwise);
}

int main(void) {
    pthread_t thread;
    char *reader = axis("CRASHMATRIX_READER", "getenv");
    const int is_c = strcmp(axis("CRASHMATRIX_LOCALE", "none"), "C") == 0;
    if (setlocale(LC_ALL, is_c ? "C" : "C.UTF-8") == NULL) {
        puts("getenv-race: there is no locale C.UTF-8");
    }
    if (pthread_create(&thread, NULL, read_until_stopped, reader) != 0) {
        return 3;
    }
    set_names();
    pause_for(MILLISECONDS - MOST_NAMES);
    stopping = 1;
    pthread_join(thread, NULL);
    puts("getenv-race: survived");
    return 0;
}
