/* One way to die for each argument. Built without optimisation, so that each has frames of its own. */
#define _GNU_SOURCE
#include <assert.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct thing { char before[0x60]; long value; };
static volatile int zero;
static pthread_barrier_t barrier;

__attribute__((noinline)) static long touch(struct thing *thing) { return thing->value; }
static void segv(void) { touch(NULL); }

static void bus(void)
{
    char name[] = "/tmp/short-XXXXXX";
    int file = mkstemp(name);
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    page[0] = 1;
}

static void fpe(void) { printf("%d\n", 7 / zero); }
#ifdef __x86_64__
static void ill(void) { __asm__ volatile("ud2"); }
static void trap(void) { __asm__ volatile("int3"); }
#else
static void ill(void) { __asm__ volatile("udf #0"); }
static void trap(void) { __asm__ volatile("brk #0"); }
#endif
static void abrt(void) { abort(); }
static void own(void) { kill(getpid(), SIGSEGV); pause(); }

static void sys(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    syscall(__NR_getppid);
}

static void twice(void)
{
    char *block = malloc(4000), *guard = malloc(16);
    free(block);
    free(block);
    free(guard);
}

static void claim(void) { assert(zero == 1 && "the answer"); }

/* Volatile, so that no call becomes a jump. */
static int deeper(volatile int depth) { char block[4096]; memset(block, depth, sizeof block); return deeper(depth + 1) + block[0]; }
static void overflow(void) { deeper(0); }

static void wild(void) { ((void (*)(void))(0x41414141000UL))(); }
static void data(void) { static char block[64]; ((void (*)(void))block)(); }

static void *wait_here(void *unused) { pthread_barrier_wait(&barrier); for (;;) pause(); return unused; }
static void threads(void)
{
    pthread_t made;
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++) pthread_create(&made, NULL, wait_here, NULL);
    pthread_barrier_wait(&barrier);
    usleep(200000);
    touch(NULL);
}

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static void *cross(void *unused)
{
    pthread_mutex_lock(&two);
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&one);
    return unused;
}

static void deadlock(void)
{
    pthread_t made;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&made, NULL, cross, NULL);
    pthread_mutex_lock(&one);
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&two);
}

static void *join(void *main_thread) { pthread_join(*(pthread_t *)main_thread, NULL); return NULL; }
static void joined(void)
{
    pthread_t made, self = pthread_self();
    int ends[2];
    char byte;
    pthread_create(&made, NULL, join, &self);
    if (pipe(ends) == 0 && read(ends[0], &byte, 1) < 0) exit(1);
}

static void last(void) { for (;;) pause(); }
static void leaving(void) { atexit(last); exit(0); }

static void gone(void)
{
    void *library = dlopen("/faults/libgone.so", RTLD_NOW);
    void (*call)(void) = (void (*)(void))dlsym(library, "call_me");
    dlclose(library);
    call();
}

/* libstdc++ by the names that a compiler gives its parts: throw std::runtime_error("the reason"). */
static void terminate(void)
{
    void *cxx = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(cxx, "__cxa_allocate_exception");
    void (*construct)(void *, const char *) = (void (*)(void *, const char *))dlsym(cxx, "_ZNSt13runtime_errorC1EPKc");
    void (*throw)(void *, void *, void *) = (void (*)(void *, void *, void *))dlsym(cxx, "__cxa_throw");
    void *thrown = make(16);
    construct(thrown, "the reason");
    throw(thrown, dlsym(cxx, "_ZTISt13runtime_error"), dlsym(cxx, "_ZNSt13runtime_errorD1Ev"));
}

static void give_up(int number) { (void)number; abort(); }
static void handler(void)
{
    struct sigaction action = {.sa_handler = give_up};
    sigaction(SIGSEGV, &action, NULL);
    touch(NULL);
}

/* As faulthandler's: without siginfo, and it raises its signal once more with the default action. */
static void once_more(int number) { signal(number, SIG_DFL); raise(number); }
static void pass_on(int number)
{
    struct sigaction action = {.sa_handler = once_more, .sa_flags = SA_NODEFER};
    sigaction(number, &action, NULL);
}

static sigjmp_buf back;
static void jump_back(int number) { (void)number; siglongjmp(back, 1); }
static void recovered(void)
{
    signal(SIGSEGV, jump_back);
    if (!sigsetjmp(back, 1)) touch(NULL);
    signal(SIGSEGV, SIG_DFL);
    pass_on(SIGABRT);
    abrt();
}
/* In the first of two copies of libgone.so; the second, in a namespace of its own, lies below it. */
static void copied(void)
{
    typedef long (*read_at)(long *);
    void *first = dlopen("/faults/libgone.so", RTLD_NOW), *second = dlmopen(LM_ID_NEWLM, "/faults/libgone.so", RTLD_NOW);
    if (!first || !second) _exit(9);
    ((read_at)dlsym(first, "gone_read"))(NULL);
}

static void passed_on(void) { pass_on(SIGFPE); fpe(); }

/* A walk through a stale copy of the environment whose third entry was overwritten; two names were added since. */
__attribute__((noinline, optimize("O2"))) static long walk(char **list)
{
    long length = 0;
    for (char **entry = list; *entry; entry++) for (char *byte = *entry; *(volatile char *)byte; byte++) length++;
    return length;
}

static void stale(void)
{
    char **old, **new;
    int count = 0;
    setenv("REMOVED_SINCE", "secret-of-the-old", 1);
    while (environ[count]) count++;
    old = malloc((count + 1) * sizeof *old);
    new = malloc((count + 3) * sizeof *new);
    memcpy(old, environ, (count + 1) * sizeof *old);
    memcpy(new, environ, (count + 1) * sizeof *new);
    for (int i = 0; i < count; i++) if (!strncmp(new[i], "REMOVED_SINCE=", 14)) new[i] = new[count - 1];
    new[count - 1] = strdup("SSL_CERT_FILE=/etc/ssl/cert.pem");
    new[count] = strdup("TOKEN_ADDED=hunter2");
    new[count + 1] = NULL;
    old[2] = (char *)0x220;
    environ = new;
    walk(old);
}

/* What a walk through a freed array can meet: all of it used again, or only malloc's own words at its start. */
static void refilled(void)
{
    size_t size = 64 * sizeof(char *);
    walk(memset(malloc(size), 0x41, size));
}

/* A name one byte too long for its field, over the pointer behind it. */
struct named { char name[24]; struct named *next; };
__attribute__((noinline)) static long next_of(struct named *one) { return one->next->name[0]; }
static void overrun(void)
{
    struct named *one = malloc(sizeof *one);
    memcpy(one->name, "{\"a\": [1, 2, 3], \"long\" : true\n}", 32);
    next_of(one);
}

/* Text over the links of a block in malloc's list of unsorted ones; the fault is a later malloc's. */
static void poisoned(void)
{
    char *one = malloc(2000);
    malloc(24);
    free(one);
    memcpy(one, "written!written!", 16);
    malloc(1000);
    malloc(5000);
}

static void released(void)
{
    int count = 0;
    while (environ[count]) count++;
    char **old = malloc((count + 1) * sizeof *old);
    memcpy(old, environ, (count + 1) * sizeof *old);
    free(old);
    walk(old);
}

static void *ask(void *unused) { for (;;) if (getenv("NEVER_THERE")) return unused; }
static void getenv_race(void)
{
    pthread_t made;
    pthread_create(&made, NULL, ask, NULL);
    for (int i = 0; i < 20000; i++) {
        char name[32];
        int count = 0;
        snprintf(name, sizeof name, "ADDED_%d", i);
        while (environ[count]) count++;
        setenv(name, "x", 1);
        malloc(24);
        for (int again = 0; again < 4; again++) memset(malloc((count + 1) * sizeof(char *)), 0x41, (count + 1) * sizeof(char *));
    }
}

static const struct { const char *name; void (*die)(void); } ways[] = {
    {"segv", segv}, {"bus", bus}, {"fpe", fpe}, {"ill", ill}, {"trap", trap}, {"abrt", abrt}, {"own", own}, {"sys", sys},
    {"twice", twice}, {"claim", claim}, {"overflow", overflow}, {"wild", wild}, {"data", data}, {"threads", threads},
    {"deadlock", deadlock}, {"joined", joined}, {"leaving", leaving}, {"gone", gone}, {"terminate", terminate}, {"handler", handler}, {"stale", stale}, {"getenv_race", getenv_race},
    {"refilled", refilled}, {"overrun", overrun}, {"poisoned", poisoned}, {"released", released}, {"recovered", recovered}, {"passed_on", passed_on}, {"copied", copied},
};

int main(int count, char **arguments)
{
    for (size_t i = 0; count > 1 && i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, arguments[1])) ways[i].die();
    return 9;
}
