#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What it costs to ship recordings to a fleet: one ClickHouse server, started for this, on loopback.

    ship/insert    M events/s that one core could handle: events per second of processor time of server and shipper together, merges included,
                   compared with the same rows into a table that discards them (engine Null), which only parses.  `wall` is M events/s of elapsed
                   time; `server_us` and `shipper_us` are processor time per event
    ship/bytes     bytes per event on the server's disk, after all merges, without and with (`index`) the index by trace; `rows_index` is
                   the number of its rows per event; floor: bytes in the recording

The events resemble those of a busy network: 1000 peers, requests of about 20 packets, over two open connections each.
Without a clickhouse-server this measures nothing and says so: ./dev setup-fleet.
Run from a build directory, where Meson puts it; options and output as the other benchmarks (bench.h)."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path(json.loads((BUILD / "meson-info/meson-info.json").read_text(encoding="utf-8"))["directories"]["source"])
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/fleet")]
from clickhouse import Servers, why_not
from report import Report

CASES = ("insert", "bytes")
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ship(server, database, directory):
    """Returns processor time of the shipper and of the server (including the merges that follow), and elapsed time, all in seconds."""
    subprocess.run([BUILD / "inspector/inspector", "fleet", "init", f"{server.url}/{database}"], stdout=subprocess.DEVNULL, check=True)
    (directory / "p2ptrace-ship.place").unlink(missing_ok=True)
    before = processor_s(server.process)
    children = sum(os.times()[2:4])
    begin = os.times().elapsed
    subprocess.run([BUILD / "inspector/inspector", "ship", "--once", "--from", directory, "--to", f"{server.url}/{database}"],
                   stdout=subprocess.DEVNULL, check=True)
    wall = os.times().elapsed - begin
    shipper = sum(os.times()[2:4]) - children
    for table in ("events", "trace_index"):
        server.sql(f"OPTIMIZE TABLE {database}.{table}_local FINAL")
    return shipper, processor_s(server.process) - before, wall


def parse_only(server, database, rows):
    """Processor time of the server for the same rows into a table that discards them."""
    names = ", ".join(f"`{name}`" for name, in server.sql(
        f"SELECT name FROM system.columns WHERE database = '{database}' AND table = 'events_local' AND default_kind = ''"))
    server.sql(f"CREATE TABLE IF NOT EXISTS {database}.forgets AS {database}.events_local ENGINE = Null")
    body = server.raw(f"SELECT {names} FROM {database}.events_local LIMIT {rows} FORMAT RowBinary")
    before = processor_s(server.process)
    server.raw(f"INSERT INTO {database}.forgets ({names}) FORMAT RowBinary\n".encode() + body)
    return processor_s(server.process) - before


def measure(report, top, wanted, quick):
    events, rows = (131072, 65536) if quick else (1966080, 196608)
    recorded = top / "recorded"
    recorded.mkdir()
    subprocess.run([BUILD / "tests/fleet/make_spool", recorded, str(events), "1", "load"], stdout=subprocess.DEVNULL, check=True)
    with Servers(top / "servers") as servers:
        server = servers[0]
        rates, floors, walls, shippers, taken = [], [], [], [], []
        for i in range(1 if quick else 5):
            shipper, used, wall = ship(server, f"d{i}", recorded)
            rates.append(events / (shipper + used) / 1e6)
            walls.append(events / wall / 1e6)
            shippers.append(shipper / events * 1e6)
            taken.append(used / events * 1e6)
            floors.append(rows / max(parse_only(server, f"d{i}", rows), 1 / TICKS) / 1e6)
        middle = len(rates) // 2
        if "insert" in wanted:
            report.result("insert", rates, "M events/s", sorted(floors)[middle], wall=round(sorted(walls)[middle], 2),
                          server_us=round(sorted(taken)[middle], 2), shipper_us=round(sorted(shippers)[middle], 2))
        if "bytes" in wanted:
            size = {table: (int(count), int(bytes_)) for table, count, bytes_ in server.sql(
                "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'd0' GROUP BY table")}
            plain = sum(file.stat().st_size for file in recorded.glob("*.p2rec"))
            report.result("bytes", [size["events_local"][1] / events], "bytes/event", plain / events,
                          index=round(size["trace_index_local"][1] / events, 2), rows_index=round(size["trace_index_local"][0] / events, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="ship, or ship/CASE; names of other benchmarks are not an error")
    for option in ("--json", "--list", "--quick"):
        parser.add_argument(option, action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"ship/{case}" for case in CASES))
        return
    wanted = [case for case in CASES if not args.name or "ship" in args.name or f"ship/{case}" in args.name]
    if not wanted:
        return
    if why_not():
        print(f"ship: {why_not()}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as top:
        measure(Report("ship", "parsing alone; the recording", args.json), pathlib.Path(top), wanted, args.quick)


if __name__ == "__main__":
    main()
