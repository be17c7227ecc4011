#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the initial inputs for fuzzing the reader, one for each known way in which a ring can lie.

    seeds.py DIRECTORY

fuzz_reader.c explains the bytes, p2ptrace/shm.h has the positions of the fields."""
import pathlib
import struct
import sys

MAGIC, ABI, HEADER_BYTES, OBJECT_BYTES, EVENT_BYTES, LANE_COUNT, LANE_EVENTS, POLICY, CLOCK = 0, 8, 12, 16, 24, 28, 32, 36, 44
NAME, NO_LANE, LANES, LANE_BYTES, APPS = 104, 264, 1024, 192, 4096


def header(offset, form, *values):
    data = struct.pack("<" + form, *values)
    return struct.pack("<BHB", 0, offset, len(data)) + data


def slot(index, form, *values):
    data = struct.pack("<" + form, *values)
    return struct.pack("<BHB", 1, index * 128, len(data)) + data


def attach(flags=1):
    return bytes((2, flags))


def read(lane=0, most=255, final=0, time=1):
    return bytes((3, lane, most, final, time))


def ask_all():
    return b"".join(bytes((4, which)) for which in range(64))


def cut(pages):
    return struct.pack("<BH", 5, pages)


def commit(lane, position, count):
    return bytes((6, lane, position, count))


def head(lane, value):
    return header(LANES + lane * LANE_BYTES, "Q", value)


def every_lane():
    return b"".join(read(lane) + read(lane, final=1) for lane in range(3))


SEEDS = {
    "good": commit(0, 0, 10) + commit(1, 0, 64) + attach() + every_lane() + ask_all(),
    "sizes": b"".join(header(field, "I", value) + attach() + read() + header(field, "I", good)
                      for field, good in ((ABI, 1), (HEADER_BYTES, 24576), (EVENT_BYTES, 128), (LANE_COUNT, 2), (LANE_EVENTS, 64),
                                          (POLICY, 0), (CLOCK, 2))
                      for value in (0, 1, 3, 17, 65, 0x7fffffff, 0x80000000, 0xffffffff)),
    "object_bytes": b"".join(header(OBJECT_BYTES, "Q", value) + attach() + read() for value in (0, 1, 24576, 2**32, 2**63, 2**64 - 1)),
    "events_are_no_power_of_two": header(LANE_COUNT, "2I", 1, 96) + header(OBJECT_BYTES, "Q", 24576 + 96 * 128) + attach() + read(),
    "no_lanes": header(LANE_COUNT, "I", 0) + header(OBJECT_BYTES, "Q", 24576) + attach() + read(),
    "head_runs_backwards": commit(0, 0, 40) + attach() + read(most=20) + head(0, 5) + read() + head(0, 0) + read(final=1) + ask_all(),
    "head_is_huge": commit(0, 0, 10) + attach() + read(most=5) + head(0, 2**64 - 1) + every_lane() + head(0, 2**63) + every_lane(),
    "marks_run_backwards": commit(0, 0, 64) + attach() + b"".join(slot(i, "I", 64 - i) for i in range(64)) + every_lane(),
    "slots_of_noise": attach() + b"".join(slot(i, "32I", *((i * 2654435761 + k * 40503) & 0xffffffff for k in range(32)))
                                          for i in range(64)) + head(0, 64) + every_lane() * 2,
    "lapped_under_the_reader": commit(0, 0, 64) + attach() + read(most=10) + commit(0, 64, 100) + read() + commit(0, 200, 55) + every_lane(),
    "lapped_by_a_head_that_went_back": commit(0, 0, 64) + attach() + read(most=10) + commit(0, 64, 30) + head(0, 5) + read() * 3 + head(0, 9) + read()
    + ask_all(),
    "header_changes_under_the_reader": commit(0, 0, 64) + attach() + header(LANE_COUNT, "2I", 16, 1 << 24) + header(MAGIC, "Q", 0)
    + every_lane() + ask_all() + attach() + every_lane(),
    "cut_under_the_reader": commit(0, 0, 64) + attach() + read(most=5) + cut(6) + every_lane() + ask_all() + cut(10) + every_lane()
    + commit(1, 0, 5) + attach() + cut(0) + ask_all() + every_lane(),
    "discards": header(POLICY, "I", 1) + commit(0, 0, 64) + attach() + every_lane() + attach(0) + every_lane() + ask_all(),
    "stalls": attach() + head(0, 3) + read(time=0) + read(time=255) * 4 + read(final=1),
    "states": b"".join(header(LANES + 64, "I", state) + attach() + every_lane() for state in range(6)),
    "apps": b"".join(header(APPS + at, "I", 0xffffffff) for at in range(0, 1024, 64)) + header(APPS, "I", 1) + attach() + ask_all(),
    "name": header(NAME, "32s", b"\x1b[2J\xff\xfe" * 5) + header(NO_LANE, "Q", 2**64 - 1) + attach() + ask_all(),
    "not_ready": header(MAGIC, "Q", 0) + attach() + cut(0) + attach() + cut(10) + attach(),
}


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
