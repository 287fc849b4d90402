"""What watches a process from inside its container: strace, valgrind, AddressSanitizer."""
