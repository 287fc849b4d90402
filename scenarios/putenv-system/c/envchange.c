/* The story's own C program: threads call system() while the main thread changes the environment. No Python in it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS = 4,
    MILLISECONDS = 300, /* of one trial */
    /* cpp/envchange.cpp and driver.py say why there are so many. */
    MOST_NAMES = 20000,
    FIRST_NAMES = 1000,
};

static atomic_bool stopping;
static atomic_long calls;
static atomic_int failure; /* the first status that was not 0 */

static void *execute_until_stopped(void *unused) {
    (void)unused;
    while (!stopping) {
        const int status = system("true");
        int none = 0;
        ++calls;
        if (status != 0) {
            atomic_compare_exchange_strong(&failure, &none, status);
            stopping = 1;
        }
    }
    return NULL;
}

static void change_once(const char *change, long number) {
    char name[32];
    if (strcmp(change, "overwrite") == 0) {
        setenv("CM_CHANGED", number % 2 ? "short" : "a value that is longer", 1);
        return;
    }
    snprintf(name, sizeof name, "CM_%ld", number % MOST_NAMES);
    setenv(name, "x", 1);
    if (strcmp(change, "shrink") == 0) {
        unsetenv(name);
    }
}

/* What a program does besides: memory of the size that the array of pointers had is used again, for text. Both blocks
   stay: the text fits where the old array was, and the other one lies behind the new array (cpp/envchange.cpp). */
static void use_memory(long pointers) {
    static char *volatile block; /* else the compiler leaves out what nobody reads */
    const size_t size = (size_t)pointers * sizeof(char *);
    block = malloc(size);
    memset(block, 'A', size);
    block = malloc(size);
}

static long count_names(void) {
    long count = 0;
    while (environ[count]) {
        ++count;
    }
    return count;
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

static void change_until_stopped(const char *change) {
    const int grows = strcmp(change, "grow") == 0;
    const struct timespec pause = {0, 50000};
    const long before = count_names(), end = milliseconds() + MILLISECONDS;
    for (long number = 0; !stopping && milliseconds() < end; ++number) {
        if (grows && number >= MOST_NAMES) {
            nanosleep(&(struct timespec){0, 1000000}, NULL);
            continue;
        }
        change_once(change, number);
        if (grows) {
            use_memory(before + number + 1);
            nanosleep(&pause, NULL);
        }
    }
    stopping = 1;
}

int main(void) {
    const char *change = getenv("CRASHMATRIX_CHANGE");
    pthread_t threads[THREADS];
    change = strdup(change ? change : "grow"); /* the environment's own may move */
    for (long number = 0; strcmp(change, "overwrite") != 0 && number < FIRST_NAMES; ++number) {
        char name[32];
        snprintf(name, sizeof name, "CM_FIRST_%ld", number);
        setenv(name, "x", 1);
    }
    for (int index = 0; index < THREADS; ++index) {
        if (pthread_create(&threads[index], NULL, execute_until_stopped, NULL) != 0) {
            return 3;
        }
    }
    change_until_stopped(change);
    for (int index = 0; index < THREADS; ++index) {
        pthread_join(threads[index], NULL);
    }
    if (failure) {
        printf("putenv-system: call failed: system returned %d, one of %ld calls\n", failure, calls);
        fflush(stdout);
        abort(); /* the core keeps the evidence */
    }
    printf("putenv-system: every call worked: %ld calls\n", calls);
    return 0;
}
