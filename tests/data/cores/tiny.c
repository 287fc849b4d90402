/* A program without any library: gcc -O2 -g -static -nostdlib -fno-stack-protector -fno-optimize-sibling-calls
   -fasynchronous-unwind-tables
   -Wl,--eh-frame-hdr -o tiny tiny.c. It faults; its handler sends SIGABRT, as uWSGI's does. With an argument
   it jumps to 0x41414141000 instead. */
#include <stddef.h>
#include <sys/syscall.h>

struct action { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; };
enum { SIGABRT_ = 6, SIGSEGV_ = 11, SA_RESTORER_ = 0x04000000 };
void restorer(void);
/* What glibc's __restore_rt is, with its unwind information left out: debuggers know the bytes. */
__asm__(".text\n.globl restorer\n.type restorer,@function\nrestorer: mov $15, %rax\nsyscall\n.size restorer, .-restorer");

static long call(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return result;
}

__attribute__((noinline)) static void give_up(int number)
{
    long me = call(SYS_getpid, 0, 0, 0, 0);
    (void)number;
    call(SYS_tgkill, me, me, SIGABRT_, 0);
}

struct thing { char before[0x60]; long value; };
__attribute__((noinline)) static long touch(struct thing *thing) { return thing->value; }

__attribute__((noinline)) static long descend(int depth)
{
    volatile char block[64];
    block[0] = depth;
    return depth ? descend(depth - 1) + block[0] : touch(NULL) + block[0];
}

__attribute__((noinline)) static void jump(void) { ((void (*)(void))0x41414141000UL)(); __asm__ volatile(""); }

__attribute__((used)) static void start(long *stack)
{
    struct action action = {.handler = give_up, .flags = SA_RESTORER_, .restorer = restorer};
    if (stack[0] > 1) jump();
    call(SYS_rt_sigaction, SIGSEGV_, (long)&action, 0, 8);
    call(SYS_exit, descend(3), 0, 0, 0);
}

__asm__(".globl _start\n_start: .cfi_startproc\n.cfi_undefined rip\nmov %rsp, %rdi\ncall start\n.cfi_endproc\n");
