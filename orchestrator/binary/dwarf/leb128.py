"""LEB128, the numbers of variable length in DWARF (DWARF 5, 7.6): seven bits a byte, the lowest first."""

from typing import Final

# Bytes of a number that are read; ten hold 64 bits.
MAX_BYTES: Final = 10


def uleb128(data: bytes, place: int) -> tuple[int, int]:
    """The unsigned number at `place`, and where it ends; raises ValueError for one without an end."""
    try:
        byte = data[place]
        if byte < 0x80:
            return byte, place + 1
        value = shift = 0
        for at in range(place, place + MAX_BYTES):
            byte = data[at]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at + 1
    except IndexError:
        pass
    raise ValueError("a LEB128 number has no end")


def sleb128(data: bytes, place: int) -> tuple[int, int]:
    """The signed number at `place`, and where it ends; raises ValueError for one without an end."""
    value, end = uleb128(data, place)
    bits = 7 * (end - place)
    return (value - (1 << bits) if value >> (bits - 1) else value), end
