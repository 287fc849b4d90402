/* What both files inline: dwz moves its description to a file of its own, which both programs share. */
struct thing { char before[0x60]; volatile long value; };

static inline __attribute__((always_inline)) long shared_touch(struct thing *thing)
{
    return thing->value + 1;
}

static inline __attribute__((always_inline)) long shared_step(struct thing *thing, long round)
{
    return round ? shared_touch(thing) + round : 0;
}

long inner_call(struct thing *thing, long round);
