# SPDX-License-Identifier: MIT
"""The tables of events.def and its sister files, read when the module is loaded: an installed module has them beside it, the source tree
in proto/tbl."""
import pathlib
import re
from typing import NamedTuple

_HERE = pathlib.Path(__file__).resolve().parent
_PLACES = (_HERE / "tbl", _HERE.parents[2] / "proto/tbl")
_STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
_KIND = re.compile(rf"TRACE_KIND\(\s*(\d+)\s*,\s*(\w+)\s*,\s*(\w+)\s*,\s*{_STRING},")
_FIELD = re.compile(rf"TRACE_FIELD\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\d+)\s*,\s*([\w-]+)\s*,\s*{_STRING}\)")
_NAMED = re.compile(r'^TRACE_[A-Z]+\(\s*(\d+)\s*,\s*"?(\w+)"?\s*,\s*(\w+)\s*,', re.MULTILINE)


class Field(NamedTuple):
    type: str
    name: str
    length: int


class Row(NamedTuple):
    id: int
    name: str
    doc: str
    fields: list


def _read(name):
    for place in _PLACES:
        if (place / name).is_file():
            text = (place / name).read_text(encoding="utf-8")
            return re.sub(r"^\s*(?:/\*.*?\*/|//[^\n]*)", "", text, flags=re.DOTALL | re.MULTILINE)
    return ""


def _text(literal):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"')


def kinds():
    """All kinds, in the table's order."""
    text = _read("events.def")
    if not text:
        raise ImportError("p2ptrace: events.def is missing")
    starts = list(_KIND.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [Row(int(match[1]), match[2], _text(match[4]),
                [Field(field[1], field[2], int(field[3])) for field in _FIELD.finditer(text, match.end(), end)])
            for match, end in zip(starts, ends)]


# The numbers behind names, by their JSON and C names; an older tree lacks some of the tables.
NAMES = {kind: {name: int(number) for number, name, _ in _NAMED.findall(_read(kind + "s.def"))} for kind in ("space", "transport")}
CONSTANTS = {kind: {name: int(number) for number, _, name in _NAMED.findall(_read(kind + "s.def"))} for kind in ("space", "transport")}
