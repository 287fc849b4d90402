"""ELF programs and libraries: headers, notes, symbols, and bytes at linked addresses."""
