void call_me(void) {}
