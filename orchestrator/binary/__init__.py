"""Machine code on disk and in cores: ELF, DWARF, disassembly, names. Knows nothing of crashmatrix."""
