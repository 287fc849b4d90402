#include "shared.h"

static struct thing here;

static inline __attribute__((always_inline)) long outer_middle(struct thing *thing, long round)
{
    return inner_call(thing, round + 1) + shared_step(&here, round);
}

__attribute__((noinline)) static long outer_call(struct thing *thing, long round)
{
    return outer_middle(thing, round) + 2;
}

/* Where the process begins: it has no caller, which its unwind information says. */
__asm__(".globl _start\n.type _start,@function\n_start: .cfi_startproc\n.cfi_undefined rip\ncall start\nhlt\n"
        ".cfi_endproc\n.size _start, .-_start");

__attribute__((used)) void start(void)
{
    static struct thing *nowhere;
    here.value = outer_call(nowhere, 1) + outer_call(&here, 2);
    for (;;)
        ;
}
