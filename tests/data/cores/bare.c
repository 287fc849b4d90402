/* A fault whose handler is code without call frame information, on an alternate stack, and ends the process by
   a signal of its own through the handler of that, as Go does. No library:
   gcc -O1 -g0 -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-stack-protector -DHANDLER -c -o bare-handler.o bare.c
   gcc -O1 -g -static -nostdlib -fno-stack-protector -fasynchronous-unwind-tables -Wl,--eh-frame-hdr -o bare bare.c bare-handler.o */
#include <stddef.h>
#include <sys/syscall.h>

struct action { void (*handler)(int, void *, void *); unsigned long flags; void (*restorer)(void); unsigned long mask; };
enum { SIGABRT_ = 6, SIGSEGV_ = 11, SA_SIGINFO_ = 4, SA_RESTORER_ = 0x04000000, SA_ONSTACK_ = 0x08000000, SA_NODEFER_ = 0x40000000 };
void restorer(void);
void handle(int number, void *info, void *context);

static long call(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return result;
}

static void install(int number, void (*handler)(int, void *, void *))
{
    unsigned long flags = SA_SIGINFO_ | SA_RESTORER_ | SA_ONSTACK_ | SA_NODEFER_;
    struct action action = {.handler = handler, .flags = flags, .restorer = restorer};
    call(SYS_rt_sigaction, number, (long)&action, 0, 8);
}

#ifdef HANDLER
__asm__(".text\n.globl restorer\n.type restorer,@function\nrestorer: mov $15, %rax\nsyscall\n.size restorer, .-restorer");

__attribute__((noinline)) static void raise_abort(void)
{
    long me = call(SYS_getpid, 0, 0, 0, 0);
    call(SYS_tgkill, me, me, SIGABRT_, 0);
}

__attribute__((noinline)) void handle(int number, void *info, void *context)
{
    volatile long space[40] = {number};
    if (number == SIGABRT_) install(SIGABRT_, NULL);
    raise_abort();
    space[1] = (long)info + (long)context;
}
#else
static char alternate[32768];

struct thing { char before[0x60]; long value; };
__attribute__((noinline)) static long touch(struct thing *thing) { return thing->value; }
__attribute__((noinline)) static long work(int depth) { volatile long kept = depth; return touch(NULL) + kept; }

__attribute__((used)) static void start(void)
{
    struct { void *sp; int flags; unsigned long size; } stack = {alternate, 0, sizeof alternate};
    call(SYS_sigaltstack, (long)&stack, 0, 0, 0);
    install(SIGSEGV_, handle);
    install(SIGABRT_, handle);
    call(SYS_exit, work(3), 0, 0, 0);
}

__asm__(".globl _start\n_start: .cfi_startproc\n.cfi_undefined rip\nmov %rsp, %rdi\ncall start\n.cfi_endproc\n");
#endif
