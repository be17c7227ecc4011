# SPDX-License-Identifier: MIT
"""The tables of events.def and spaces.def, read when the module is loaded: what is installed has them beside it, and the source tree has
them in proto/tbl."""
import pathlib
import re
from typing import NamedTuple

_HERE = pathlib.Path(__file__).resolve().parent
_PLACES = (_HERE / "tbl", _HERE.parents[2] / "proto/tbl")
_STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
_KIND = re.compile(rf"TRACE_KIND\(\s*(\d+)\s*,\s*(\w+)\s*,\s*(\w+)\s*,\s*{_STRING},")
_FIELD = re.compile(rf"TRACE_FIELD\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\d+)\s*,\s*([\w-]+)\s*,\s*{_STRING}\)")
_SPACE = re.compile(r'^TRACE_SPACE\(\s*(\d+)\s*,\s*"([^"]*)"', re.MULTILINE)


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
    raise ImportError(f"p2ptrace: {name} is not there")


def _text(literal):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literal)).replace('\\"', '"')


def kinds():
    """All kinds, in the table's order."""
    text = _read("events.def")
    starts = list(_KIND.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [Row(int(match[1]), match[2], _text(match[4]),
                [Field(field[1], field[2], int(field[3])) for field in _FIELD.finditer(text, match.end(), end)])
            for match, end in zip(starts, ends)]


SPACES = {name: int(number) for number, name in _SPACE.findall(_read("spaces.def"))}
