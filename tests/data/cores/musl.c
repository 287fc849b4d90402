/* A static program of musl 1.2.3, whose functions have no call frame information but for main and give_up:
   musl-gcc -static -O1 -g1 -ffile-prefix-map=$PWD=. -o musl musl.c. It aborts; with an argument, an assertion
   fails. */
#include <assert.h>
#include <stdlib.h>

__attribute__((noinline)) static void give_up(int number) { if (number) abort(); }
__attribute__((noinline)) static void check(int number) { assert(number == 3); }
int main(int count, char **words)
{
    (void)words;
    if (count > 1) check(count);
    give_up(count);
    return 0;
}
