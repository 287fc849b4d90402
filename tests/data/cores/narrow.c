/* A program without any library, for 32-bit cores: gcc -m32 -O1 -g -static -nostdlib -fno-pie -fno-stack-protector
   -fcf-protection=none -o narrow narrow.c, and arm-linux-gnueabihf-gcc without the last option but one. */
struct thing { char before[0x60]; volatile int value; };
__attribute__((noinline)) static int touch(struct thing *thing) { return thing->value + 1; }
__attribute__((noinline)) static int descend(int more, struct thing *thing)
{
    return more ? descend(more - 1, thing) + 1 : touch(thing);
}
void _start(void)
{
    for (;;) descend(2, 0);
}
