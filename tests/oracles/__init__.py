"""`nox -s oracles`: the stacks of this program beside those of gdb, lldb and drgn."""
