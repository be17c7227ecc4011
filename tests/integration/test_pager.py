# SPDX-License-Identifier: MIT
"""Long output at a terminal goes to a pager, as in git: which one, and when not; what happens when its user quits, or presses Ctrl-C."""
import os
import pathlib
import pty
import signal
import struct
import termios
import unittest
from fcntl import ioctl

from harness import until
from test_read import ReadTest, run


class Shown:
    """An inspector on a terminal that we control; it leads its own session."""

    def __init__(self, environment, args, columns=80):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execve(os.environ["INSPECTOR"], ["inspector", *map(str, args)], environment)

    def read_to(self, text):
        while text not in self.text.decode():
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""
            if not piece:
                raise AssertionError(f"the terminal was closed before {text!r}: {self.text!r}")
            self.text += piece

    def wait(self):
        """(its output, its exit code, or minus the signal that ended it)"""
        while True:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                break
            if not piece:
                break
            self.text += piece
        os.close(self.fd)
        return self.text.decode().replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Pager(ReadTest):
    def setUp(self):
        super().setUp()
        self.record()
        self.stop()
        self.directory = pathlib.Path(self.place.directory)
        self.seen = self.directory / "seen"
        (self.directory / "bin").mkdir()

    def script(self, name, text):
        path = self.directory / "bin" / name
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def terminal(self, *args, columns=80, **environment):
        env = {k: v for k, v in self.place.environment.items() if k not in ("PAGER", "P2PTRACE_PAGER", "LESS")}
        env |= {"TERM": "dumb", "LC_ALL": "C.UTF-8", "SEEN": str(self.seen)} | environment
        return Shown(env, [*args, "--read", self.dir], columns)

    def test_a_terminal_has_one_and_a_pipe_has_none(self):
        keeps = self.script("keeps", 'cat > "$SEEN"; echo "LESS=$LESS" >> "$SEEN"')
        shown, code = self.terminal("range", "0", "now", PAGER=keeps).wait()
        self.assertEqual((shown, code), ("", 0))
        lines = self.seen.read_text(encoding="utf-8").splitlines()
        self.assertGreater(len(lines), 3055)
        self.assertEqual(lines[-1], "LESS=FRX")
        self.assertLessEqual(max(map(len, lines)), 80)
        self.place.environment["PAGER"] = "false"
        self.assertEqual(len(run(self.place, "range", "0", "now", "--read", self.dir)[1].splitlines()), 3056)

    def test_which_one(self):
        mine, other = self.script("mine", 'cat >/dev/null; echo mine "$@"'), self.script("other", "cat >/dev/null; echo other")
        self.assertEqual(self.terminal("nodes", PAGER=other, P2PTRACE_PAGER=mine).wait(), ("mine\n", 0))
        self.assertEqual(self.terminal("nodes", PAGER=f"{mine} -a b").wait(), ("mine -a b\n", 0))
        self.assertEqual(self.terminal("nodes", PAGER=f"{mine} '1 2' | tr a-z A-Z").wait(), ("MINE 1 2\n", 0))
        self.assertEqual(self.terminal("recent", "--json", PAGER=other).wait(), ("other\n", 0))
        self.assertIn("LESS", self.terminal("nodes", PAGER=self.script("less2", "cat >/dev/null; echo LESS=$LESS"), LESS="-S").wait()[0])

    def test_none_where_nobody_wants_one_or_it_cannot_run(self):
        whole = self.terminal("nodes", "--no-pager").wait()
        self.assertIn("alice", whole[0])
        other = self.script("other", "cat >/dev/null; echo other")
        for more in ({"PAGER": ""}, {"PAGER": "cat"}, {"PAGER": "/proc/nonexistent/pager"}, {"PAGER": other, "P2PTRACE_PAGER": ""}):
            self.assertEqual(self.terminal("nodes", **more).wait(), whole, more)
        self.assertEqual(self.terminal("nodes", "--no-pager", PAGER=other).wait(), whole)

    def test_a_failure_without_output_has_none(self):
        other = self.script("other", "cat >/dev/null; echo other")
        shown, code = self.terminal("recent", "--node", "alcie", PAGER=other).wait()
        self.assertEqual(code, 1)
        self.assertIn("did you mean alice?", shown)

    def test_quitting_early_is_not_an_error(self):
        shown, code = self.terminal("range", "0", "now", PAGER="head -n 1").wait()
        self.assertEqual(code, 0)
        self.assertEqual(len(shown.splitlines()), 1)
        self.assertEqual(self.terminal("range", "0", "now", "--json", PAGER="true").wait(), ("", 0))

    def test_less_keeps_the_titles_in_sight_when_it_can(self):
        environment = {"PATH": f"{self.directory}/bin:{os.environ['PATH']}"}
        less = 'if [ "$1" = --version ]; then echo "less %d (GNU)"; else cat >/dev/null; echo "less $*"; fi'
        for version, args, wanted in ((608, ["nodes"], "less --header=1\n"), (590, ["nodes"], "less \n"), (608, ["stats"], "less \n"),
                                      (608, ["nodes", "--no-header"], "less \n"), (608, ["nodes", "--json"], "less \n")):
            self.script("less", less % version)
            self.assertEqual(self.terminal(*args, **environment).wait(), (wanted, 0), (version, args))

    def test_ctrl_c_is_the_pagers_and_ends_us_when_it_has_ended(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        pager = self.script("stays", f'trap "" INT; read first; echo "$first"; cat {fifo}; echo done; exec cat >/dev/null')
        terminal = self.terminal("range", "0", "now", PAGER=pager)
        terminal.read_to("time")
        os.write(terminal.fd, b"\x03")
        status = pathlib.Path(f"/proc/{terminal.pid}/status")

        def ignores_interrupts():
            return any(line.startswith("SigIgn") and int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1 for line in status.read_text().splitlines())

        until(ignores_interrupts, "the inspector to have seen Ctrl-C")
        self.assertEqual(os.waitpid(terminal.pid, os.WNOHANG), (0, 0))  # it waits for its pager
        with open(fifo, "w", encoding="utf-8"):
            pass
        shown, code = terminal.wait()
        self.assertIn("done", shown)
        self.assertEqual(code, -signal.SIGINT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
