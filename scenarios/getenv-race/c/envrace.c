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
    MOST_NAMES = 1000, /* each makes glibc's setenv reallocate the array */
    MILLISECONDS = 400,
};

static atomic_bool stopping;
/* Read by nobody; they keep the calls from being optimised away. */
static const char *volatile answer;
static char *volatile block;

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

/* The memory of the old array is used again, for text; only its second half is written, and both blocks stay
   (cpp/envrace.cpp says why). */
static void use_memory(long pointers) {
    const size_t size = (size_t)pointers * sizeof(char *);
    block = malloc(size);
    memset(block + size / 2, 'A', size - size / 2);
    block = malloc(size);
}

static void pause_for(long microseconds) {
    const struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000L};
    nanosleep(&pause, NULL);
}

static void set_names(void) {
    long before = 0;
    while (environ[before]) {
        ++before;
    }
    for (long number = 0; number < MOST_NAMES; ++number) {
        char name[32];
        snprintf(name, sizeof name, "CM_SET_%ld", number);
        setenv(name, "/etc/ssl/certs", 1);
        use_memory(before + number + 1);
        pause_for(100);
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
    pause_for(MILLISECONDS * 1000L - MOST_NAMES * 100L);
    stopping = 1;
    pthread_join(thread, NULL);
    puts("getenv-race: survived");
    return 0;
}
