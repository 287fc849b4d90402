/* Each way to damage glibc's heap that glibc finds; the argument says which. Built with -O0 -fno-builtin. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
static size_t *of(void *p) { return (size_t *)p; }
int main(int argc, char **argv) {
    const char *way = argv[1];
    char *p[16], *guard;
    for (int i = 0; i < 16; i++) p[i] = malloc(0x28);
    guard = malloc(0x28);
    if (!strcmp(way, "tcache-twice")) { free(p[0]); free(p[0]); }
    if (!strcmp(way, "fast-twice")) { for (int i = 0; i < 8; i++) free(p[i]); free(p[7]); }
    if (!strcmp(way, "inside")) free(p[0] + 8);
    if (!strcmp(way, "static")) { static char here[64]; free(here + 8); }
    if (!strcmp(way, "size")) { of(p[0])[-1] = 0x11; free(p[0]); }
    if (!strcmp(way, "mapped")) { of(p[0])[-1] = 0x33; free(p[0]); }
    if (!strcmp(way, "top")) { memset(malloc(0x18), 0xff, 0x40); malloc(0x2000); }
    if (!strcmp(way, "next")) { char *a = malloc(0x500), *b = malloc(0x500); of(b)[-1] = 1; free(a); }
    if (!strcmp(way, "fast-next")) { for (int i = 0; i < 7; i++) free(p[i]); of(p[8])[-1] = 1; free(p[7]); }
    if (!strcmp(way, "big-twice")) { char *a = malloc(0x500), *b = malloc(0x500), *c = malloc(0x28); free(a); free(b); free(a); free(c); }
    if (!strcmp(way, "out")) { char *a = malloc(0x500); of(a)[-1] = 0x400001; free(a); }
    if (!strcmp(way, "at-top")) { char *a = malloc(0x500); free(a); free(a); }
    if (!strcmp(way, "unsorted")) { char *a = malloc(0x500); malloc(0x28); free(a); of(a)[-1] = 1; malloc(0x600); }
    if (!strcmp(way, "link")) { char *a = malloc(0x500), *b; malloc(0x28); free(a); of(a)[1] = (size_t)guard; b = malloc(0x600); free(b); }
    if (!strcmp(way, "unlink")) { char *a = malloc(0x500), *b = malloc(0x500); malloc(0x28); free(a); of(a)[0] = of(a)[1] = (size_t)guard; free(b); }
    if (!strcmp(way, "prev-size")) { char *a = malloc(0x500), *b = malloc(0x500); malloc(0x28); free(a); of(b)[-2] = 0x20; free(b); }
    if (!strcmp(way, "tcache-link")) { free(p[0]); free(p[1]); of(p[1])[0] = 0x4141414141414141; malloc(0x28); malloc(0x28); malloc(0x28); }
    if (!strcmp(way, "fast-link")) { for (int i = 0; i < 9; i++) free(p[i]); of(p[8])[0] = 0x4141414141414141; malloc(0x500); free(malloc(0x20000)); malloc(0x1000); }
    if (!strcmp(way, "old-size")) { of(p[0])[-1] = 0x11; p[0] = realloc(p[0], 100); }
    if (!strcmp(way, "realloc")) p[0] = realloc(p[0] + 8, 100);
    if (!strcmp(way, "realloc-next")) { of(p[1])[-1] = 1; p[0] = realloc(p[0], 0x100); }
    if (!strcmp(way, "remap")) { char *a = malloc(1 << 20); of(a)[-2] = 8; a = realloc(a, 1 << 22); }
    if (!strcmp(way, "top-assert")) { char *a = malloc(0x28); of(a)[5] = 0x100; malloc(0x2000); }
    if (!strcmp(way, "own")) abort();
    return 0;
}
