"""Names that the command line offers, apart from the stations that give them their meaning.

The parser reads them here: importing a station takes longer than most commands.
"""

from typing import Final

SHELLS: Final = ("bash", "zsh", "fish")
"""The shells that complete the command line."""
COVERS: Final = ("pairwise", "3-wise", "all")
"""Which of the selectable cells are chosen (orchestrator/model/selection.py)."""
BACKENDS: Final = ("gdb", "elf", "pystack")
"""The backends that read the stacks of a core, best first (orchestrator/crash/stacks/registry.py)."""
