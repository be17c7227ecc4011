#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration shows what it promises and leaves nothing behind: TAP.

    test_demo.py SOURCE_ROOT BUILD_ROOT"""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../helpers"))
import supervise  # noqa: E402

NAMES = ("alice", "bob", "carol", "dave", "erin")
SECONDS = 240  # reached only if something hangs
points = 0
shm_dir = ""  # only for this test: no other nodes, no other traced


def point(good, name, why=""):
    global points
    points += 1
    print(f"{'ok' if good else 'not ok'} {points} - {name}")
    for line in "" if good else str(why).splitlines():
        print(f"# {line}")
    return good


def start(source, build, *arguments):
    command = [sys.executable, os.path.join(source, "scripts/demo.py"), "--build", build, *arguments]
    environment = dict(os.environ, PYTHONUNBUFFERED="1", P2PTRACE_SHM_DIR=shm_dir)
    return subprocess.Popen(
        command, cwd=source, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def processes(directory):
    """The processes whose environment names the directory: the demo's children."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if directory.encode() in file.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            continue  # has ended, or belongs to another user
    return found


def directory_of(output):
    found = re.search(r"P2PTRACE_SOCKET=(\S+)/traced\.sock", output)
    return found.group(1) if found else ""


def left_behind(output):
    """What a finished demo has left behind: processes, its directory, its nodes' logs."""
    directory = directory_of(output)
    return [f"process {pid}" for pid in processes(directory)] + glob.glob(directory) + os.listdir(shm_dir)


def section(output, number):
    """The text between heading N and the next."""
    found = re.search(rf"^{number}\. .*?(?=^{number + 1}\. |^That was all|\Z)", output, re.M | re.S)
    return found.group(0) if found else ""


def rows(text, first):
    return [line.split() for line in text.splitlines() if line.split()[:1] == [first]]


def test_once(source, build):
    demo = start(source, build, "--once")
    try:
        output, _ = demo.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        demo.terminate()
        output, _ = demo.communicate()
        point(False, "--once ends by itself", output)
        return
    point(demo.returncode == 0, "--once ends by itself, and well", f"exit status {demo.returncode}\n{output}")

    nodes = section(output, 4)
    live = {name: [row for row in rows(nodes, name) if row[2] == "live"] for name in NAMES}
    point(all(len(found) == 1 for found in live.values()), "nodes: all five are live", nodes)
    counted = [row for found in live.values() for row in found if int(row[4]) > 0 and row[4] == row[5] and row[6] == "0"]
    point(len(counted) == len(NAMES), "nodes: each has emitted events, all are indexed, none is lost", nodes)

    peers = section(output, 5)
    losses = [float(x) for x in re.findall(r"([\d.]+) %", peers)]
    rtts = re.findall(r"[\d.]+ (?:us|ms)", peers)
    point(losses and max(losses) > 0, "peers: there is loss", peers)
    point(len(rtts) >= len(NAMES), "peers: there are round-trip times", peers)

    traces = section(output, 6)
    hops = [line for line in traces.splitlines() if "GET_CHUNK" in line and all(name in line for name in NAMES)]
    point(any(" ok " in line for line in hops), "traces: a GET went over all five nodes and was answered", traces)
    point(any(" failed " in line for line in hops), "traces: a GET failed after it asked everybody", traces)

    trace = section(output, 7)
    begun = [m.group(1) for m in re.finditer(r"^ *\+.*?\s(alice|bob|carol|dave|erin)\S*\s.*> GET_CHUNK$", trace, re.M)]
    ended = [m.group(1) for m in re.finditer(r"^ *\+.*?\s(alice|bob|carol|dave|erin)\S*\s.*< GET_CHUNK ok", trace, re.M)]
    point(begun == list(NAMES), "trace: the request begins on the five nodes in their order", f"{begun}\n{trace}")
    point(ended == list(reversed(NAMES)), "trace: the answer comes back in the reverse order", f"{ended}\n{trace}")

    follow = section(output, 8)
    point("STORE_CHUNK" in follow and "GET_CHUNK ok" in follow, "follow: requests are seen as they happen", follow)

    recorded = section(output, 9)
    point(any(" ok " in line and all(name in line for name in NAMES) for line in recorded.splitlines() if "GET_CHUNK" in line),
          "the recording, opened when all has ended, has the GET over all five nodes", recorded)
    timeline = trace[trace.index("trace "):].rstrip()
    point(timeline.split("\n", 1)[1] in recorded, "and its timeline is the one that was shown live", f"{timeline}\n\n{recorded}")
    left = left_behind(output)
    point(directory_of(output) and not left, "nothing is left behind", left)


def test_stays(source, build):
    """Without --once it runs until it is ended."""
    demo = start(source, build)
    lines = []
    deadline = time.monotonic() + SECONDS
    for line in demo.stdout:
        lines.append(line)
        if "Ctrl-C ends" in line or time.monotonic() > deadline:
            break
    output = "".join(lines)
    running = processes(directory_of(output)) if directory_of(output) else []
    point("Ctrl-C ends" in output and len(running) >= 6, "without --once traced and the nodes keep running", output)

    environment = dict(os.environ, P2PTRACE_SOCKET=os.path.join(directory_of(output), "traced.sock"))
    asked = subprocess.run(
        [os.path.join(build, "inspector/inspector"), "traces"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    point("STORE_CHUNK" in asked.stdout or "GET_CHUNK" in asked.stdout, "and they answer", asked.stdout)
    typed = re.findall(r"^\$ \S*inspector/inspector (\S+)", output[output.index("Everything is still running"):], re.M)
    point(typed[:1] == ["top"], "top is what it suggests first", typed)

    def requests():
        told = subprocess.run([os.path.join(build, "inspector/inspector"), "requests", "--where", "command == GET_CHUNK", "--json"],
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        rows = [json.loads(line) for line in told.stdout.splitlines()] if not told.returncode else []
        return next(([row["count"], row["failed"]] for row in rows if "count" in row), [0, 0])

    first, now = requests(), [0, 0]
    while (now[0] < first[0] + 20 or now[1] <= first[1]) and time.monotonic() < deadline:
        now = requests()
    point(now[0] >= first[0] + 20 and now[1] > first[1], "requests continue, and some fail", f"{first} {now}")
    demo.send_signal(signal.SIGINT)
    try:
        rest, _ = demo.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        demo.kill()
        rest, _ = demo.communicate()
    point(re.search(r"^9\. .*STORE_CHUNK", rest, re.M | re.S), "Ctrl-C opens what was recorded", rest)
    left = left_behind(output)
    point(not left, "Ctrl-C ends it all, and nothing is left behind", left)


def main():
    global shm_dir
    source, build = sys.argv[1:3]
    supervise.answer_supervisor()
    with tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"], prefix="test-demo-") as shm_dir:
        test_once(source, build)
        test_stays(source, build)
    print(f"1..{points}", flush=True)


if __name__ == "__main__":
    main()
