#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""traced at its limits: the maximum number of nodes, threads and clients.

    scale/nodes-4096    traced's share of a core next to 4,096 processes that are alive and silent.  `attach_s`: from the first process's start
                        until all are attached, most of it spent on starting them; `drain_ms`: from the last of their 20 events each until the last
                        is indexed; `nodes_ms`: the answer of `nodes`; `mib`: resident; `lost`: events
    scale/threads-256   M events/s that 256 threads of one node emit at once, 241 of them into one lane; `lost` and `no_lane`: the share that the
                        traced reports, in per cent.  Every event is either indexed or reported; otherwise this ends with an error
    scale/clients-1000  M events/s sent to 1,000 clients, each of which follows everything that one node emits; `hello_ms`: the longest
                        `hello` meanwhile, of as many as there were time for; `missed`: events reported to the clients as missed, in per cent

Run from a build directory, where Meson puts it; options and output as the other benchmarks (bench.h)."""
import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import re
import selectors
import sys
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path(json.loads((BUILD / "meson-info/meson-info.json").read_text(encoding="utf-8"))["directories"]["source"])
os.environ |= {"TRACED": str(BUILD / "traced/traced"), "TEST_NODE": str(BUILD / "tests/helpers/test_node")}
os.environ.setdefault("P2PTRACE_SHM_DIR", "/dev/shm")
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/integration")]
import harness
from report import Report

NODES, EVENTS, THREADS, CLIENTS = 4096, 20, 256, 1000
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(process):
    """To the nanosecond, as the scheduler counts it."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()) / 1e9


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon:", "RssFile:"))) / 1024


def timed(call):
    begin = time.monotonic()
    result = call()
    return time.monotonic() - begin, result


def node_id(number):
    return f"{number + 1:064x}"


def nodes(place, report, quick):
    count = NODES // 16 if quick else NODES
    place.start("--history", "256M")
    client = place.connect()
    attached = lambda: client.call("stats")["ingest"]["nodes_attached"] >= count
    with concurrent.futures.ThreadPoolExecutor(32) as pool:  # otherwise most of the time passes between one node and the next
        begin = time.monotonic()
        list(pool.map(lambda i: place.node(f"n{i}", node_id(i), "overwrite_oldest", "0", "1024"), range(count)))
        harness.until(attached, "all nodes to be attached")
        attach_s = time.monotonic() - begin
        list(pool.map(lambda node: node.do("packets", EVENTS), place.nodes))
    drain_s, _ = timed(lambda: place.settle(client, count * EVENTS))
    shares = []
    for _ in range(1 if quick else 3):
        time.sleep(3)  # until they count as silent
        begin_s, begin = processor_s(place.traced), time.monotonic()
        time.sleep(3)
        shares.append(100 * (processor_s(place.traced) - begin_s) / (time.monotonic() - begin))
    nodes_s, answer = timed(lambda: client.call("nodes")["nodes"])
    assert len(answer) == count and sum(each["indexed"] for each in answer) == count * EVENTS
    report.result("nodes-4096", shares, "% of a core", attach_s=round(attach_s, 1), drain_ms=round(1e3 * drain_s, 1),
                  nodes_ms=round(1e3 * nodes_s, 1), mib=round(resident_mib(place.traced)), lost=sum(each["lost"] for each in answer))


def threads(place, report, quick):
    place.start("--history", "256M")
    client = place.connect()
    node = place.node("many", node_id(0))
    rates, events, total = [], 2000 if quick else 20000, 0
    for _ in range(3 if quick else 5):
        elapsed_s, _ = timed(lambda: node.do("threads", THREADS, events))
        rates.append(THREADS * events / elapsed_s / 1e6)
        total += THREADS * events

    def counted():
        [each] = client.call("nodes")["nodes"]
        return each["indexed"] + each["lost"] == each["emitted"] == total and each

    each = harness.until(counted, f"{total} events to be accounted for: {client.call('nodes')['nodes']}")
    report.result("threads-256", rates, "M events/s", lost=round(100 * each["lost"] / total, 1),
                  no_lane=round(100 * each["lost_by"]["no_lane"] / total, 1))


def read_all(clients, events, pipe):
    """Counts what all clients get, until each has received every event, or a report of those that it missed.  Sends both numbers."""
    selector, rest = selectors.DefaultSelector(), [b""] * len(clients)
    got, missed = [0] * len(clients), [0] * len(clients)
    for index, client in enumerate(clients):
        selector.register(client.socket, selectors.EVENT_READ, index)
    left = len(clients)
    while left:
        for key, _ in selector.select(harness.DEADLINE_S):
            index = key.data
            *lines, rest[index] = (rest[index] + key.fileobj.recv(1 << 20)).split(b"\n")
            for line in lines:
                # Parsing the lines of a thousand clients would take longer than writing them.
                got[index] += line.count(b'"kind":')
                missed[index] += int(re.search(rb'"lost":(\d+)', line)[1])
            if lines and got[index] + missed[index] >= events:
                selector.unregister(key.fileobj)
                left -= 1
    pipe.send((sum(got), sum(missed)))


def clients(place, report, quick):
    count, events = CLIENTS // 10 if quick else CLIENTS, 2000
    place.start("--history", "256M")
    node = place.node("one", node_id(0))
    asker, followers = place.connect(), [place.connect() for _ in range(count)]
    for follower in followers:
        follower.call("subscribe")
    rates, hellos, missed = [], [], 0
    for _ in range(1 if quick else 3):
        result, pipe = multiprocessing.Pipe(False)
        # A process of its own: a thread would keep the one that asks waiting for the interpreter.
        reading = multiprocessing.Process(target=read_all, args=(followers, events, pipe))
        reading.start()
        begin = time.monotonic()
        node.do("packets", events)
        while not result.poll():
            hellos.append(timed(lambda: asker.call("hello"))[0])
            time.sleep(0.001)
        got, missed_now = result.recv()
        rates.append(got / (time.monotonic() - begin) / 1e6)
        missed += missed_now
        reading.join()
    hellos.sort()
    of = lambda part: round(1e3 * hellos[int(part * (len(hellos) - 1))], 1)
    report.result("clients-1000", rates, "M events/s", hellos=len(hellos), hello_median_ms=of(0.5), hello_p99_ms=of(0.99), hello_ms=of(1),
                  missed=round(100 * missed / (count * events * len(rates)), 2))


CASES = {"nodes-4096": nodes, "threads-256": threads, "clients-1000": clients}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    for flag in ("json", "list", "quick"):
        parser.add_argument("--" + flag, action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(["scale"] + ["scale/" + name for name in CASES]))
        return
    report = Report("scale", "", arguments.json)
    for name, case in CASES.items():
        if arguments.names and not {"scale", "scale/" + name} & set(arguments.names):
            continue
        place = harness.Place()
        try:
            case(place, report, arguments.quick)
        finally:
            place.close()


if __name__ == "__main__":
    main()
