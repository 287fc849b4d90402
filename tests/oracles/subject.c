/* Dies in as many ways as debuggers may differ in: inlined calls, recursion, a tail call, a handler, a wild jump. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct thing { char before[0x60]; volatile int value; };
static struct thing *volatile nowhere;
static volatile int rounds = 3;

static inline __attribute__((always_inline)) int touch(struct thing *thing) { return thing->value + 1; }
static inline __attribute__((always_inline)) int step(struct thing *thing) { return touch(thing) * 2; }
__attribute__((noinline)) static int deepest(struct thing *thing) { return step(thing) + rounds; }
__attribute__((noinline)) static int descend(int more) { return more ? descend(more - 1) + rounds : deepest(nowhere) + 1; }
__attribute__((noinline)) static int last(int more) { return descend(more) * rounds; }
/* With optimisation this is a jump, which leaves no frame. */
__attribute__((noinline)) static int passes_on(int more) { return last(more + rounds - 3); }

static void gives_up(int number) { (void)number; signal(SIGABRT, SIG_DFL); abort(); }

int main(int count, char **arguments)
{
    const char *way = count > 1 ? arguments[1] : "touch";
    if (!strcmp(way, "handler")) signal(SIGSEGV, gives_up);
    if (!strcmp(way, "abort")) abort();
    if (!strcmp(way, "wild")) { void (*volatile wild)(void) = (void (*)(void))0x1234567000; wild(); return 2; }
    return passes_on(rounds) + 1;
}
