# SPDX-License-Identifier: MIT
"""A program in a pseudo-terminal, and the screen that a person would see.

    with Screen([inspector, "top"], env) as screen:
        screen.wait("bob")
        screen.send("q")

Nothing here sleeps: tests wait for a condition on the screen, with a deadline.  A screen may be read while it is being
drawn, so one condition must contain everything that is expected."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

DEADLINE_S = 100.0  # reached only if something hangs
TYPE = "screen-256color"  # what pyte knows all sequences of
KEYS = {"up": "\x1bOA", "down": "\x1bOB", "right": "\x1bOC", "left": "\x1bOD", "home": "\x1b[1~", "end": "\x1b[4~",
        "page_up": "\x1b[5~", "page_down": "\x1b[6~", "enter": "\r", "escape": "\x1b", "backspace": "\x7f", "back_tab": "\x1b[Z"}


class Terminal(pyte.Screen):
    """Adds what pyte does not know: which of the two screens a program is on."""

    alternate = False

    def set_mode(self, *modes, **how):
        self.alternate |= 1049 in modes and how.get("private", False)
        super().set_mode(*modes, **how)

    def reset_mode(self, *modes, **how):
        self.alternate &= not (1049 in modes and how.get("private", False))
        super().reset_mode(*modes, **how)


class Screen:
    def __init__(self, command, env, lines=24, columns=80):
        self.terminal = Terminal(columns, lines)
        self.stream = pyte.ByteStream(self.terminal)
        self.raw = b""
        self.master, self.slave = pty.openpty()
        self.set_size(lines, columns)
        self.modes_before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE,
                                        env={"TERM": TYPE} | self.without_size(env), preexec_fn=self.own_terminal)

    @staticmethod
    def without_size(env):
        """The size is the terminal's, even if a shell has exported another one."""
        return {name: value for name, value in env.items() if name not in ("LINES", "COLUMNS")}

    def own_terminal(self):
        """In the child: the terminal is its own, so that Ctrl-C and a new size reach it as signals."""
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.slave)
        os.close(self.master)

    def set_size(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        self.terminal.resize(lines, columns)
        self.set_size(lines, columns)

    def send(self, *keys):
        for key in keys:
            os.write(self.master, KEYS.get(key, key).encode())

    def read(self, seconds):
        """Reads new output; returns whether there was any."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            data = os.read(self.master, 65536)
            self.raw += data
            self.stream.feed(data)
        return bool(ready)

    @property
    def lines(self):
        return [line.rstrip() for line in self.terminal.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, condition, what=None):
        """Until the screen has this text, or the function of the screen is true; returns what that returned."""
        end = time.monotonic() + DEADLINE_S
        while True:
            result = condition in self.text if isinstance(condition, str) else condition(self)
            if result:
                return result
            if time.monotonic() > end:
                raise AssertionError(f"waited too long for {what or condition!r}; the screen:\n{self.text}")
            if self.process.poll() is not None and not self.read(0):
                raise AssertionError(f"ended with {self.process.returncode} before {what or condition!r}; the screen:\n{self.text}")
            self.read(0.05)

    def wait_for_lines(self, patterns):
        """Until these lines match: {number: regular expression}."""
        self.wait(lambda s: all(re.search(pattern, s.lines[number]) for number, pattern in patterns.items()), repr(patterns))

    @property
    def colors(self):
        """The colours of characters on the screen."""
        return {cell.fg for line in self.terminal.buffer.values() for cell in line.values()}

    def wait_for_end(self):
        """Until the program has ended; returns its exit status, negative for a signal."""
        end = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            self.read(0.01)
            if time.monotonic() > end:
                raise AssertionError("it does not end; the screen:\n" + self.text)
        while self.read(0):
            pass
        return self.process.returncode

    def interrupt(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def modes_are_restored(self):
        return termios.tcgetattr(self.slave) == self.modes_before and not self.terminal.alternate and not self.terminal.cursor.hidden
