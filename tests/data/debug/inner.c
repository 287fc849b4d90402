#include "shared.h"

/* gcc 12 writes a range of DWARF 4 that begins where its file does as the end of its list; so this comes first. */
__attribute__((used)) static long first(long value) { return value + 1; }

__attribute__((noinline)) long inner_call(struct thing *thing, long round)
{
    return shared_step(thing, round) * 3;
}
