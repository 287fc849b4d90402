"""The backend `elf`: stacks by call frame information, names by debug information and symbols."""
