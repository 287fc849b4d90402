#include "shared.h"

__attribute__((noinline)) long inner_call(struct thing *thing, long round)
{
    return shared_step(thing, round) * 3;
}
