"""The backend `gdb`: stacks as gdb reads them, and how sure each name is."""
