# SPDX-License-Identifier: MIT
"""traced under restrictions: systemd rates those of traced@.service well, and traced works completely under them.

Without systemd as the machine's first process the unit itself cannot run; tests/helpers/sandbox.c lists what it does not cover."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import harness

UNIT = pathlib.Path(os.environ["UNIT"])
SYSCALLS = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def calls_of(name):
    """The names of the calls in one of systemd's groups, according to this systemd."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in said.splitlines()[1:]]
    return set().union(*(calls_of(word) for word in words if word and not word.startswith("#")))


def allowed_calls():
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(encoding="utf-8"), re.M):
        named = set().union(*(calls_of(word) for word in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
class Unit(unittest.TestCase):
    def test_systemd_rates_it_well(self):
        place = harness.Place()
        self.addCleanup(place.close)
        path = pathlib.Path(place.directory, "traced@someone.service")
        # It checks whether the program exists.
        path.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.M), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", path], capture_output=True,
                              text=True, check=False)
        if "unrecognized option" in done.stderr:
            self.skipTest("this systemd-analyze rates only loaded units")
        self.assertIn("Overall exposure level", done.stdout, done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_it_keeps_the_rings_and_knows_its_clients(self):
        text = UNIT.read_text(encoding="utf-8")
        self.assertNotRegex(text, r"(?m)^(RemoveIPC|PrivateUsers|DynamicUser)=(?!no)")


@unittest.skipUnless(shutil.which("systemd-analyze") and SYSCALLS.exists(), "no systemd-analyze, or not x86-64")
class Sandbox(harness.ProtocolTest):
    def setUp(self):
        super().setUp()
        numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", SYSCALLS.read_text(encoding="utf-8")))
        self.calls = ",".join(numbers[name] for name in sorted(allowed_calls()) if name in numbers)
        done = subprocess.run(self.sandbox("/bin/true"), capture_output=True, text=True, check=False)
        if done.returncode == 77:
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)

    def sandbox(self, program):
        return [os.environ["SANDBOX"], self.place.directory, self.calls, program]

    def start_locked_up(self, *options):
        words = self.sandbox(os.environ["TRACED"])
        self.place.spawn = lambda *more, **popen: subprocess.Popen([*words, *more], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                                                   env=self.place.environment, **popen)
        self.place.start(*options)
        return self.place.connect()

    def test_it_reads_records_answers_and_stops(self):
        if why := self.place.lacks(20):  # two rings of one lane
            self.skipTest(why)
        node = self.place.node("alice", harness.hex_id(0xaa))
        records = os.path.join(self.place.directory, "records")
        os.mkdir(records)
        client = self.start_locked_up("--record", records, "--keep", "outcome == failed", "--pidfile", os.path.join(self.place.directory, "pid"))
        client.call("subscribe")
        node.do("app")
        node.do("packets", 20)
        self.place.settle(client, 20)
        for method in ("hello", "stats", "nodes", "query", "count", "traces", "peers", "apps", "control"):
            with self.subTest(method=method):
                client.call(method)
        self.assertEqual(client.call("nodes")["nodes"][0]["indexed"], 20)
        late = self.place.node("bob", harness.hex_id(0xbb))
        late.do("packets", 10)
        self.place.settle(client, 30)
        node.close()
        late.kill()
        harness.until(lambda: {each["state"] for each in client.call("nodes")["nodes"]} == {"exited", "crashed"}, "the nodes to end")
        code, said = self.place.stop()
        self.assertEqual(code, 0, said)
        self.assertEqual([name[-6:] for name in os.listdir(records) if not name.startswith(".")], [".p2rec"])

    def test_it_fills_no_holes(self):
        """The filter of the unit allows userfaultfd; without it the ring would stay attached."""
        node = self.place.node("alice", harness.hex_id(0xaa))
        node.do("packets", 20)
        client = self.start_locked_up()
        self.place.settle(client, 20)
        [ring] = pathlib.Path(self.place.directory).glob("p2ptrace.*.*")
        subprocess.run(["fallocate", "--punch-hole", "--offset", "0", "--length", "4096", ring], check=True)
        harness.until(lambda: client.call("stats")["ingest"]["rejected"] == {"lost_pages": 1}, "the ring to be detached")
        self.assertEqual(self.place.stop()[0], 0)

    def test_the_walls_are_there(self):
        """It cannot write outside its directory, or use a network."""
        outside = "/var/tmp/sandboxed-" + os.path.basename(self.place.directory)
        for words in (["/bin/sh", "-c", f"echo x >{outside}"],
                      ["/usr/bin/python3", "-c", "import socket; socket.socket(socket.AF_INET)"],
                      ["/usr/bin/python3", "-c", "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"],
                      ["/usr/bin/unshare", "--user", "/bin/true"], ["/bin/mount", "-t", "tmpfs", "none", self.place.directory]):
            with self.subTest(words=words):
                done = subprocess.run([*self.sandbox(words[0]), *words[1:]], capture_output=True, text=True, check=False)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertNotEqual(done.returncode, 77, done)
        self.assertFalse(os.path.exists(outside))


if __name__ == "__main__":
    unittest.main()
