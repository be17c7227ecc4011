#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a question to a large fleet takes, and what shipping costs the traced beside it: one ClickHouse server, started for this, on loopback.

    fleet/trace, trace-prefix, nodes, recent, peers, count, traces
                    ms of elapsed time of the inspector, from its start to its end; floor: the inspector that prints its version
    fleet/ingest    M events/s that traced indexes while it records and `ship` sends the recordings; floor: while it only records.  In turns

BENCH_FLEET_EVENTS sets the number of events (1 million; 100 million take 3 GB on the server's disk), BENCH_FLEET_DIR where they are, and stay:
with the same directory and number the next run does not make them again.  BENCH_FLEET_INSPECTORS names more inspectors, separated by colons,
for the same questions in turns; each needs a fleet of its own schema: PROGRAM=DATABASE, which must be there already.
Without a clickhouse-server this measures nothing and says so: ./dev setup-fleet.  Run from a build directory, where Meson puts it; options and
output as the other benchmarks (bench.h)."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path(json.loads((BUILD / "meson-info/meson-info.json").read_text(encoding="utf-8"))["directories"]["source"])
os.environ |= {"TRACED": str(BUILD / "traced/traced"), "TEST_NODE": str(BUILD / "tests/helpers/test_node")}
os.environ.setdefault("P2PTRACE_SHM_DIR", "/dev/shm")
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/fleet"), str(SOURCE / "tests/integration")]
import harness
from clickhouse import Servers, why_not
from report import Report

INSPECTOR = BUILD / "inspector/inspector"
PART = 2_000_000  # events that are recorded, sent and removed at a time
REPETITIONS = 15


def run(program, *words):
    return subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True).stdout


def fill(url, events, top):
    """Ships so many events.  Recordings of all of them would take five times the disk of the server."""
    run(INSPECTOR, "fleet", "init", url)
    for before in range(0, events, PART):
        directory = top / "recorded"
        directory.mkdir()
        run(BUILD / "tests/fleet/make_spool", directory, min(PART, events - before), 1, "load", before)
        run(INSPECTOR, "ship", "--once", "--from", directory, "--to", url)
        shutil.rmtree(directory)


def elapsed_ms(command):
    begin = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return 1e3 * (time.perf_counter() - begin)


def questions(report, url, wanted, repetitions):
    trace = json.loads(run(INSPECTOR, "--fleet", url, "traces", "--limit", "2", "--json").splitlines()[-1])["trace_id"]
    commands = {"trace": ["trace", trace], "trace-prefix": ["trace", trace[:8]], "nodes": ["nodes"], "recent": ["recent"], "peers": ["peers"],
                "count": ["count", "--by", "kind"], "traces": ["traces"]}
    programs = [(INSPECTOR, url)]
    for each in filter(None, os.environ.get("BENCH_FLEET_INSPECTORS", "").split(":")):
        program, database = each.split("=")
        programs.append((program, url.rsplit("/", 1)[0] + "/" + database))
    for name in commands:
        if name not in wanted:
            continue
        times, floors = [[] for _ in programs], []
        for i in range(repetitions + 1):  # the first fills caches
            for number, (program, at) in list(enumerate(programs))[::1 if i % 2 else -1]:
                times[number].append(elapsed_ms([program, "--fleet", at, *commands[name]]))
            floors.append(elapsed_ms([INSPECTOR, "--version"]))
        for (program, at), taken in zip(programs, times):
            report.result(name, taken[1:], "ms", sorted(floors)[len(floors) // 2], **({} if at == url else {"of": program}))


def ingest_rate(top, url, seconds):
    """M events/s that are indexed; url: of the fleet to which `ship` sends them meanwhile; None: it does not run."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=top))
    place = harness.Place()
    try:
        place.start("--history", "256M", "--record", str(directory), "--record-max", "4GiB", "--record-seal", "1s")
        client, node = place.connect(), place.node("one", f"{1:064x}")
        shipper = url and subprocess.Popen([INSPECTOR, "ship", "--from", directory, "--to", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            node.do("threads", 1, 200_000)
        [each] = client.call("nodes")["nodes"]
        rate = each["indexed"] / (time.monotonic() - begin) / 1e6
        if shipper:
            shipper.terminate()
            shipper.wait()
        return rate
    finally:
        place.close()
        shutil.rmtree(directory)


def ingest(report, server, top, repetitions, seconds):
    with_ship, alone = [], []
    url = f"{server.url}/ingest"
    run(INSPECTOR, "fleet", "init", url)
    before = server.number("SELECT count() FROM ingest.events")
    for i in range(repetitions):
        for to in (url, None)[::1 if i % 2 else -1]:
            (with_ship if to else alone).append(ingest_rate(top, to, seconds))
    shipped = server.number("SELECT count() FROM ingest.events") - before
    report.result("ingest", with_ship, "M events/s", sorted(alone)[len(alone) // 2], shipped=round(shipped / 1e6 / (repetitions * seconds), 3))
    server.sql("DROP DATABASE ingest")


def measure(report, top, wanted, quick):
    events = int(os.environ.get("BENCH_FLEET_EVENTS", 200_000 if quick else 1_000_000))
    with Servers(top / "servers") as servers:
        server, name = servers[0], f"fleet{events}"
        if wanted != ["ingest"]:
            if not server.number(f"SELECT count() FROM system.tables WHERE database = '{name}' AND name = 'is_full'"):
                server.sql(f"DROP DATABASE IF EXISTS {name}")
                fill(f"{server.url}/{name}", events, top)
                server.sql(f"CREATE TABLE {name}.is_full (x UInt8) ENGINE = Memory")
            questions(report, f"{server.url}/{name}", wanted, 3 if quick else REPETITIONS)
        if "ingest" in wanted:
            ingest(report, server, top, 1 if quick else 5, 3 if quick else 10)


CASES = ("trace", "trace-prefix", "nodes", "recent", "peers", "count", "traces", "ingest")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="fleet, or fleet/CASE; names of other benchmarks are not an error")
    for option in ("--json", "--list", "--quick"):
        parser.add_argument(option, action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"fleet/{case}" for case in CASES))
        return
    wanted = [case for case in CASES if not args.name or "fleet" in args.name or f"fleet/{case}" in args.name]
    if not wanted:
        return
    if why_not():
        print(f"fleet: {why_not()}", file=sys.stderr)
        return
    report = Report("fleet", "starting the inspector; traced that only records", args.json)
    if os.environ.get("BENCH_FLEET_DIR"):
        measure(report, pathlib.Path(os.environ["BENCH_FLEET_DIR"]), wanted, args.quick)
        return
    with tempfile.TemporaryDirectory() as top:
        measure(report, pathlib.Path(top), wanted, args.quick)


if __name__ == "__main__":
    main()
