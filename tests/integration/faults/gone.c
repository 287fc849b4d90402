void call_me(void) {}
long gone_read(long *at) { return *at; }
