"""Mutated real cores and programs, read as `crashmatrix analyze --backend elf` reads them."""
