"""Mutated cores and programs, read as `crashmatrix analyze --backend elf` does, and damaged run folders."""
