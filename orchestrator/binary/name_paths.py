"""The path of a function's name: what is the same in every notation of C++ and Rust.

`a::B::f` is the path of `void a::B<int>::f<char>(char) const`, and `a::B::f::{lambda}` is that of
`a::B<long>::f(int)::{lambda(auto:1)#1}`. Template arguments, arguments and results differ between instances,
demanglers and debug information; the path does not.
"""

import re
from collections.abc import Callable
from typing import Final

from orchestrator.binary.cpp_names import (
    MAX_DEPTH,
    OPERATOR,
    QUALIFIERS,
    begins_operator,
    group_end,
    without_templates,
)

ANONYMOUS: Final = "(anonymous namespace)"
_ENDS: Final = re.compile(r" (\[clone|\[with|requires\b)")
"""What a demangler or gcc writes behind a name: a clone's suffix, template arguments, constraints."""
_UNNAMED: Final = re.compile(r"\$_\d+|'(lambda|unnamed)\d*'")
"""A lambda as clang names it; lambdas and types without a name as LLVM's demangler writes them."""
_BRACES: Final = re.compile(r"\{+([a-z.:_ -]*[a-z])")
_SPACED: Final = re.compile(r" (?=<|$)")
"""A blank follows an operator that has template arguments: `operator<< <int>`."""
_TAG: Final = re.compile(r"\[abi:\w+\]|(?<=\w)\[[0-9a-f]{8,16}\]")
"""An ABI tag of C++, and the disambiguator of a Rust crate, which gdb writes: `core[c1f1a4ba060b9bfa]::f`."""
_SHORT: Final = {
    "std::string": "std::basic_string", "std::istream": "std::basic_istream",
    "std::ostream": "std::basic_ostream", "std::iostream": "std::basic_iostream",
}  # fmt: skip
"""The ABI's own abbreviations, which debug information does not use (Itanium C++ ABI, 5.1.10)."""


def path_of(function: str, depth: int = 0) -> str:
    """The path of a function's name; a name with unmatched brackets is returned as it is.

    `depth`: how many names it is part of; at MAX_DEPTH it is returned as it is.
    """
    return (_Path(_TAG.sub("", function), depth).read() if depth < MAX_DEPTH else None) or function


class _Path:
    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._kept = ""
        self._place = 0

    def read(self) -> str | None:
        """The path; None where brackets do not match."""
        rules: dict[str, Callable[[], bool]] = {
            "<": self._angle, "(": self._round, "{": self._curly, " ": self._blank,
        }  # fmt: skip
        while self._place < len(self._text):
            letter = self._text[self._place]
            if _ENDS.match(self._text, self._place):
                break
            if self._operator() or self._unnamed():
                continue
            if letter not in rules:
                self._take(self._place + 1)
            elif not rules[letter]():
                return None
        return _shared(self._kept.rstrip())

    def _take(self, end: int, written: str | None = None) -> None:
        """Pass text up to a place; it is in the path as it is `written`, or else as it is."""
        self._kept += self._text[self._place : end] if written is None else written
        self._place = end

    @property
    def _begins(self) -> bool:
        """Whether a component of the path begins here."""
        return not self._kept or self._kept.endswith(("::", " "))

    def _operator(self) -> bool:
        if not begins_operator(self._text, self._place):
            return False
        found = OPERATOR.match(self._text, self._place)
        if found is None:
            return False
        if found[1]:
            spaced = _SPACED.match(self._text, found.end())
            end = spaced.end() if spaced else found.end()
            self._take(end, found[0].replace(" ", "") if found[1][0] != '"' else 'operator""')
            return True
        # A conversion to a type, which has blanks and templates, or `operator new`.
        opening = self._text.find("(", found.end())
        end = len(self._text) if opening < 0 else opening
        self._take(end, f"operator {without_templates(self._text[found.end() : end].strip())}")
        return True

    def _unnamed(self) -> bool:
        found = _UNNAMED.match(self._text, self._place) if self._begins else None
        if found:
            self._take(found.end(), "{unnamed type}" if found[1] == "unnamed" else "{lambda}")
        return found is not None

    def _angle(self) -> bool:
        end = group_end(self._text, self._place)
        if end is None:
            return False
        inside = self._text[self._place + 1 : end - 1]
        if self._begins and inside.startswith("lambda("):
            self._take(end, "{lambda}")
        elif self._kept.endswith("::") and not inside.startswith("impl "):
            # Rust's f::<T>.
            self._kept = self._kept.removesuffix("::")
            self._take(end, "")
        elif self._begins:
            # The type of a method of Rust: `<T as Trait>::f`; without a trait, it is a path.
            whole = " as " in inside or inside.startswith(("impl ", "[", "&", "*", "(", "dyn ", "fn("))
            self._take(end, f"<{without_templates(inside)}>" if whole else path_of(inside, self._depth + 1))
        else:
            self._take(end, "")
        return True

    def _round(self) -> bool:
        if self._text.startswith(ANONYMOUS, self._place):
            self._take(self._place + len(ANONYMOUS))
            return True
        end = group_end(self._text, self._place)
        if end is None:
            return False
        inside = self._text[self._place + 1 : end - 1]
        if self._begins and inside[:1] in ("*", "&"):
            # A function that returns a pointer to a function: `int (*f(char))(long)`.
            self._kept, self._place = path_of(inside.lstrip("*& "), self._depth + 1), len(self._text)
            return True
        behind = QUALIFIERS.match(self._text, end)
        if behind and _is_followed(self._text, behind.end()):
            self._take(behind.end(), "")
        else:
            self._take(end)  # Of Go: `runtime.(*mheap).alloc`.
        return True

    def _curly(self) -> bool:
        end = group_end(self._text, self._place)
        if end is None:
            return False
        kind = _BRACES.match(self._text, self._place)
        name = kind[1].removesuffix("_env") if kind else ""
        self._take(end, f"{{{name}}}" if kind else None)
        return True

    def _blank(self) -> bool:
        qualified = QUALIFIERS.match(self._text, self._place)
        if qualified and qualified[0] and _is_followed(self._text, qualified.end()):
            self._take(qualified.end(), "")
            return True
        # What came before was a function's result, or `non-virtual thunk to`.
        self._kept = ""
        self._place += 1
        return True


def _is_followed(text: str, place: int) -> bool:
    """Whether a name ends at a place, or goes on with a further component."""
    return place == len(text) or text.startswith("::", place) or bool(_ENDS.match(text, place))


def _shared(path: str) -> str:
    """A path with the ABI's abbreviations in full."""
    head = "::".join(path.split("::", 2)[:2])
    return _SHORT[head] + path[len(head) :] if head in _SHORT and path != head else path
