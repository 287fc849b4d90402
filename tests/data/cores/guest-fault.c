/* Makes guest-fault.core.zst beside this file: a position-independent arm64 program with two threads, whose main
   thread writes to address 0x60 by itself, so that all frames up to main lie in the program.
   Built and run in containers of the arm64 base:
   zig cc -target aarch64-linux-gnu.2.36 -std=gnu17 -g -O1 -fPIE -pie -fno-sanitize=undefined guest.c -o guest-fault
   (cd /g && ulimit -c unlimited && /g/guest-fault now)   # qemu-user writes qemu_guest-fault_*.core */
#include <pthread.h>
#include <unistd.h>

static int *volatile nowhere = (int *)0x60;
static volatile int written;

__attribute__((noinline)) static void touch(int value) { *nowhere = value; }
__attribute__((noinline)) static int ask(int value) { touch(value + 1); written = value; return 1; }
static void *wait_for_ever(void *argument) { for (;;) pause(); return argument; }

int main(int argc, char **argv)
{
    pthread_t thread;
    (void)argv;
    if (argc < 2) return 2;
    pthread_create(&thread, NULL, wait_for_ever, NULL);
    usleep(200000);
    return ask(argc) + written;
}
