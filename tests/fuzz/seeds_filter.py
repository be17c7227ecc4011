#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the initial inputs for fuzzing filters.

    seeds_filter.py DIRECTORY

fuzz_filter.c explains the bytes."""
import pathlib
import struct
import sys

TRACES, KNOWN, COMPLETE = 1, 2, 4


def event(kind, data=b"", flags=9):
    head = struct.pack("<Q16sIHBB32s", 1767225600123456789, b"\x4f\x2a", 100, kind, flags, 0, b"\xb0\xb0")
    return b"\0" + head + data.ljust(64, b"\0")


COMMAND = event(11, b"DMAP" + struct.pack("<HB", 2, 24) + bytes(range(8)) + struct.pack("<I", 2 << 20) + b"/a/b.txt")
SEEDS = {
    "kinds": (0, "packet_sent or not (kind in {packet_lost, unknown} and kind ~ 'pack*_?ost')", event(9)),
    "numbers": (0, "size >= 1.5KiB and packet_num in {0x5, 10..20} or rtt < 18446744073709551615ns or cwnd > 0.1MB", event(7, bytes(range(16)))),
    "times": (0, "time > -5.5s and time in {-1h..2026-01-31T12:00:00.5Z, 1767225600123456} and timestamp != 5", event(10, bytes(32))),
    "ids": (KNOWN, "node == alice and peer in {b0b0, bob, null} and trace == 4f2a or trace ~ '4*' and peer ~ *b0* and node ~ a*", event(8)),
    "spans": (0, "span_id == 0123 or parent_id == 0 or span_id ~ '*ef' and span_id != 0123456789abcdef", event(12, bytes(range(30)))),
    "texts": (0, "reason == \"a\\\"b\" or reason ~ 'idle\\*?*' and data == a0b1 and data ~ '*ff' and app_id in {DMAP, 'x y'}", event(3, b"idle" * 14)),
    "endpoints": (0, "endpoint == 192.0.2.1:443 or endpoint in {[::1]:5, ::1, null} or endpoint ~ '*:443'",
                  event(1, b"\x20\x01" + bytes(14) + b"\xbb\x01\x06\0")),
    "bools": (0, "fin and not sent or by_remote == false and ok in {true} and sampled and flags ~ bit* and flags != has_peer", event(5, b"\1" * 30)),
    "spaces": (0, "space == 1rtt or space ~ * or cause in {overwritten, 7} and stream_data.fin", event(15, b"\2" * 30)),
    "globs_of_nothing": (0, "space ~ ****????????node", b""),
    "apps": (KNOWN | COMPLETE, "DMAP.size > 1MiB and DataMap.hash == 0001 and fields.path ~ *.txt and app == DataMap and command == GET_CHUNK", COMMAND),
    "apps_strange": (KNOWN, "DMAP.odd == 5 or DMAP.far != ff or DMAP.hash ~ '0*' or command == null or 'Late.x' > 5", COMMAND),
    "traces": (TRACES, "any packet_lost and duration > 50ms and nodes >= 3 or count(rtt > 5ms or fin) != 3 and not all time < -1s", event(9)),
    "traces_fields": (TRACES, "outcome in {ok, open} and truncated and unfinished and age > 1h and app ~ D* and command == null and trace == 4f",
                      event(9)),
    "wrong_everywhere": (KNOWN | COMPLETE, "rrt > 5mz && fin", b""),
    "wrong_values": (0, "endpoint == [::1 or size > 1..2 and time == 2026-13-01T00:00:00Z or node == 'a\\", b""),
}


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(exist_ok=True)
    for name, (flags, text, rest) in SEEDS.items():
        (directory / name).write_bytes(bytes((flags,)) + text.encode() + rest)


if __name__ == "__main__":
    main()
