# SPDX-License-Identifier: MIT
"""What a suite started and left running.  It would hold the pipe that meson reads until its time limit, and disturb other suites.

supervise() at the start: a process of its own waits for the suite.  Those whose parents have ended become its children, so that
end_all() finds them, and it ends all that still runs when the suite has ended, however that was."""
import contextlib
import ctypes
import faulthandler
import os
import pathlib
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
STACKS = signal.SIGUSR2
PATIENCE_S = 60  # for a process that the kernel ends slowly; only one that cannot be ended reaches it


def supervise():
    """Forks, and returns in the child; the parent ends as the child does.  Call it before there are threads.

    When the parent is ended by SIGTERM, as meson ends a suite at its time limit, the child writes the stacks of its threads to
    standard error and ends, wherever it hangs."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")
    suite = os.fork()
    if suite == 0:
        # Meson signals the whole group.  The one that ends the suite comes from the parent, once: two would cut the stacks short.
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGHUP, lambda *_: None)
        faulthandler.register(STACKS, chain=True)
        return
    signals = []

    def on_signal(number, _frame):
        if not signals:
            with contextlib.suppress(ProcessLookupError):
                os.kill(suite, STACKS)
        signals.append(number)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_signal)
    signal.signal(signal.SIGINT, lambda *_: None)  # the suite has it, too: Python raises KeyboardInterrupt
    while True:
        pid, status = os.wait()
        if pid == suite:
            break
    code = os.waitstatus_to_exitcode(status)
    for command in end_all(os.getpid()):
        print(f"left running: {command}", file=sys.stderr)
        code = code or 1
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # not every init waits for those that ended
    sys.stderr.flush()
    if signals:
        code = -signals[0]
    os._exit(code if code >= 0 else 128 - code)


def processes():
    """The parent and the state of each process, by its id.  When one ends while they are read, its children may be missing: then
    they are read again."""
    for _ in range(100):
        found, ended = {}, False
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[:2]
                found[int(stat.parent.name)] = int(parent), state
            except OSError:
                ended = True
        if not ended and all(parent in found or parent == 0 for parent, _ in found.values()):
            break
    return found


def running(root):
    """The command lines, by process id, of what descends from that process and has not ended: not this one, and no zombies."""
    found, mine = processes(), {root}
    while more := {pid for pid, (parent, _) in found.items() if parent in mine} - mine:
        mine |= more
    return {pid: command_line(pid) for pid in mine - {root, os.getpid()} if found[pid][1] not in "ZX"}


def command_line(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
        name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "(ended)"
    return " ".join(words) or f"({name})"


def end_all(root=None):
    """Kills all that descends from that process, by default from the supervisor, and what they start meanwhile.  Returns their
    command lines."""
    found, deadline = {}, time.monotonic() + PATIENCE_S
    while (now := running(root or os.getppid())) and time.monotonic() < deadline:
        for pid, command in now.items():
            found.setdefault(pid, command)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            except PermissionError:
                found[pid] = command + " (of another user: it could not be ended)"
                deadline = 0
        time.sleep(0.002)
    return [found[pid] for pid in sorted(found)]
