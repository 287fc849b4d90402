"""The backend `elf`: stacks by call frame information, names by debug information and symbols."""

from typing import Final

NAME: Final = "elf"
VERSION: Final = "2"
