/* One thread walks `environ` by itself, as programs do that list or copy the environment, while main sets variables. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    /* Arrays of up to 127 pointers (1032 bytes) go through malloc's store of a thread, which hands the old one out
       again at once. */
    MOST_NAMES = 100,
};

static atomic_bool stopping;
static const char *volatile found; /* read by nobody; it keeps the walk from being optimised away */

/* Not inlined: the name is asserted in backtraces. */
__attribute__((noinline)) static void walk_environment(void) {
    for (char **name = environ; *name; ++name) {
        if (**name == '?') {
            found = *name;
        }
    }
}

static void *walk_until_stopped(void *unused) {
    (void)unused;
    while (!stopping) {
        walk_environment();
    }
    return NULL;
}

/* What a program does besides: the memory of the old array is used again, for text, in which a walk of the old array
   finds letters for a pointer. The small block stays, so that the new array cannot grow where it lies. */
static void use_memory(const void *old, long pointers) {
    const size_t size = (size_t)pointers * sizeof(char *);
    char *others[8], *volatile small;
    char *text = malloc(size);
    int count = 0;
    while (text != old && count < 8) { /* what malloc held ready before it */
        others[count++] = text;
        text = malloc(size);
    }
    memset(text, 'A', size);
    small = strcpy(malloc(24), "small");
    (void)small;
    while (count > 0) {
        free(others[--count]);
    }
}

static void set_names(void) {
    const struct timespec pause = {0, 1000000};
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
        nanosleep(&pause, NULL);
    }
}

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, walk_until_stopped, NULL) != 0) {
        return 3;
    }
    set_names();
    stopping = 1;
    pthread_join(thread, NULL);
    puts("environ-walk: survived");
    return 0;
}
