#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes corpus_recording: seeds_recording.py DIRECTORY.  fuzz_recording.c explains the bytes."""
import pathlib
import random
import struct
import sys

COMPRESSED, BLOCKS_WRONG, RECORDS_WRONG, HEADER_WRONG, CUT, TWICE = 1, 2, 4, 8, 16, 32
HEADER, REST, ROSTER, RECORDS, TABLE, IMAGE = range(6)


def seed(flags, *changes, cut=None):
    return bytes([flags]) + (bytes([cut]) if cut is not None else b"") + b"".join(
        struct.pack("<BHB", part, place, value) for part, place, value in changes)


def number(part, place, value, width=4):
    return [(part, place + i, byte) for i, byte in enumerate(value.to_bytes(width, "little"))]


random.seed(7)
SEEDS = {
    "good": seed(0),
    "good_compressed": seed(COMPRESSED),
    "newer": seed(0, (HEADER, 8, 3)),
    "counts": seed(0, *number(HEADER, 64, 65536), *number(HEADER, 68, 65535)),
    "no_events": seed(0, *number(HEADER, 64, 0)),
    "slots": seed(0, *number(HEADER, 76, 1 << 17)),
    "frame_is_huge": seed(0, *number(HEADER, 48, 1 << 40, 8)),
    "nodes_are_many": seed(0, *number(HEADER, 92, 4097)),
    "records_overlap": seed(0, *number(ROSTER, 4, 0xffffffff), *number(ROSTER, 28, 8)),
    "index_of_a_node": seed(0, *number(ROSTER, 0, 5000)),
    "stray_nodes": seed(0, *[(IMAGE, i * 4 + 1, 200) for i in range(20)]),
    "apps": seed(0, *[(RECORDS, i, 255) for i in range(380, 420)]),
    # The records have 540 bytes, and 104 for each alias: the second node has said one, the third three.
    "aliases_are_many": seed(0, *number(RECORDS, 540 + 396, 0xffffffff)),
    "aliases_are_apps": seed(0, *number(RECORDS, 540 + 396, 80 + 104 + 60)),
    "name": seed(0, *[(RECORDS, 32 + i, 0x80 + i) for i in range(40)]),
    "blocks_wrong": seed(BLOCKS_WRONG, (IMAGE, 5000, 1), (IMAGE, 60000, 1)),
    "records_wrong": seed(RECORDS_WRONG, (RECORDS, 5, 5)),
    "header_wrong": seed(HEADER_WRONG, (HEADER, 65, 5)),
    "stored_bytes": seed(COMPRESSED, *number(TABLE, 8, 0xfffffff0)),
    "cut": seed(CUT, cut=200),
    "cut_compressed": seed(CUT | COMPRESSED, cut=230),
    "noise_compressed": seed(COMPRESSED, *[(IMAGE, random.randrange(65536), random.randrange(256)) for _ in range(30)]),
    # after the events: blocks, tallies, links, tables
    "noise": seed(0, *[(IMAGE, random.randrange(39000, 60000), random.randrange(256)) for _ in range(60)]),
    "marks": seed(0, *[(REST, random.randrange(300), random.randrange(256)) for _ in range(30)]),
    "aliases": seed(0, *[(RECORDS, 540 + 644 + 540 + random.randrange(312), random.randrange(256)) for _ in range(12)]),
    "twice": seed(TWICE),
    "twice_compressed": seed(TWICE | COMPRESSED),
    "twice_cut": seed(TWICE | CUT, cut=130),
    "twice_newest": seed(TWICE, *number(HEADER, 56, 1 << 62, 8)),
    # The events begin at 1280, after their sources; the kind stands at 28 of each of them.
    "twice_losses": seed(TWICE, *[change for i in range(0, 300, 40) for change in number(IMAGE, 1280 + 128 * i + 28, 15, 2)]),
    "twice_noise": seed(TWICE | BLOCKS_WRONG, *[(IMAGE, random.randrange(39000), random.randrange(256)) for _ in range(30)]),
}

if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(exist_ok=True)
    for name, data in SEEDS.items():
        (directory / name).write_bytes(data)
