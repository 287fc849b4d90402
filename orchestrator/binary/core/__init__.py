"""ELF core files: memory, threads and mapped files of a process that ended."""
