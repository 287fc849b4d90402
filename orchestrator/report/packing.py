"""The page of each cell, arranged so that a report of ten thousand cells is small enough to send.

The worst cells have a page of their own; those beyond STATIC_PAGES share one page, cell.html,
which takes its contents from compressed packs beside it. Both hold the same text from the same template.
"""

import base64
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json

from orchestrator.rundir import CellRecord, RunData, layout

INDEX: Final = "index.html"
SHARED_PAGE: Final = "cell.html"
PACKS: Final = "assets/packs"
STATIC_PAGES: Final = 500
COPIED: Final = 100
"""Cells whose pages have the whole crash as text: several kilobytes each."""
CELLS_A_PACK: Final = 64
STATIC_OUTPUT: Final = 8 << 20
"""Bytes of output on all the cells' own pages together; each page links the whole output."""
OUTPUT_LIMITS: Final = (1 << 10, 64 << 10)
"""The least and the most bytes of one stream that a page shows; a packed page shows the least."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which cells have pages of their own, and how many packs hold the others."""

    own: frozenset[str]
    copied: frozenset[str]
    """The worst of these, whose pages have the whole crash as text; so has the page of each signature."""
    packs: int

    @classmethod
    def of(cls, data: RunData) -> "Places":
        """Give the worst cells pages of their own."""
        own = frozenset(record.id for record in data.worst_first[:STATIC_PAGES])
        copied = frozenset(record.id for record in data.worst_first[:COPIED])
        return cls(own=own, copied=copied, packs=-(-(len(data.records) - len(own)) // CELLS_A_PACK))

    def page(self, record: CellRecord) -> str:
        """The page that a cell is on, in the run's folder."""
        return own_page(record) if record.id in self.own else SHARED_PAGE

    def url(self, record: CellRecord) -> tuple[str, str]:
        """A cell's page, and the fragment that names the cell there (empty on a page of its own)."""
        page = self.page(record)
        return page, record.id if page == SHARED_PAGE else ""

    def excerpt_limit(self, record: CellRecord) -> int:
        """Bytes that a cell's page shows of each of its two streams."""
        least, most = OUTPUT_LIMITS
        if record.id not in self.own:
            return least
        return max(least, min(most, STATIC_OUTPUT // (2 * len(self.own))))

    def pack_of(self, cell_id: str) -> int:
        """Which pack holds a cell: FNV-1a (32 bits) of its id, which cell.js computes as well."""
        value = 0x811C9DC5
        for byte in cell_id.encode():
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
        return value % self.packs


def own_page(record: CellRecord) -> str:
    """The page of a cell that has one of its own."""
    return f"{layout.folder_of(record.id)}/{INDEX}"


def pack_file(number: int) -> str:
    """Where a pack is in the run's folder."""
    return f"{PACKS}/{number}.js"


def pack_script(contents: Mapping[str, str]) -> str:
    """A pack as a script, since a page opened from a file can load scripts but no data."""
    # Level 9 takes a quarter longer than 6, for 3 % fewer bytes.
    packed = gzip.compress(to_json(contents), compresslevel=6, mtime=0)
    return f'crashmatrixPack("{base64.b64encode(packed).decode()}");\n'


def packed(places: Places, records: Iterable[CellRecord]) -> Mapping[int, list[CellRecord]]:
    """The records that have no page of their own, by the number of their pack."""
    found: dict[int, list[CellRecord]] = {}
    for record in records:
        if record.id not in places.own:
            found.setdefault(places.pack_of(record.id), []).append(record)
    return found
