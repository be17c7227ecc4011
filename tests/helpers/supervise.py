#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a suite so that it does not disturb others and leaves nothing behind.

    supervise.py COMMAND [ARG...]

Meson runs each suite under this program (meson.build).  The suite has two directories to itself: $TMPDIR, and
$P2PTRACE_SHM_DIR for shared memory.  Both are removed when the suite ends, for whatever reason.  If a supervisor is
killed, the next one removes them: each holds a lock on its directories while it lives.

Processes whose parents have ended become children of the supervisor, so it finds those that still run when the
suite has ended, and kills them: they would keep open the pipe that meson reads until its time limit, and disturb other suites.

A suite that leaves a process running fails, and so does one that passed and left a file in one of its directories: a test cleans up."""
import contextlib
import ctypes
import faulthandler
import fcntl
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STACKS = signal.SIGUSR2
WAITED_FOR = signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP
PATIENCE_S = 60  # for a process that the kernel ends slowly; reached only if a process cannot be ended
PREFIX = "p2ptest-"
SHARED_BYTES = 1 << 30  # enough for all suites that run at the same time: the largest need 150 MiB each
BASE_BYTES_MAX = 38  # sockets are created in these directories, and the path of a socket has at most 107 bytes

# Settings of this machine's user must not reach the programs under test: no pager, no configuration, and no running
# traced.  Nobody, not even root, can create a file below /proc.
SETTINGS = {"PAGER": "cat"} | dict.fromkeys(("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), "/proc/nonexistent")
UNSET = ("P2PTRACE_CONFIG", "P2PTRACE_FLEET", "P2PTRACE_PAGER", "P2PTRACE_SOCKET")


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
    signal.signal(signal.SIGINT, lambda *_: None)  # the suite inherits it
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.ExitStack() as stack:
        directories = [stack.enter_context(directory(base)) for base in bases()]
        suite = start(sys.argv[1:], dict(zip(("TMPDIR", "P2PTRACE_SHM_DIR"), directories)))
        status, ended_by = wait_for(suite)
        code = os.waitstatus_to_exitcode(status)
        left = [f"left running: {command}" for command in end_all()]
        if code == 0:
            left += [f"left behind: {os.path.join(path, name)}" for path in directories for name in os.listdir(path)]
        for line in left:
            print(line, file=sys.stderr)
            code = code or 1
    reap()  # not every init waits for those that ended
    if ended_by:
        code = -ended_by
    sys.exit(code if code >= 0 else 128 - code)


def wait_for(suite):
    """Returns the status of the suite, and the first signal that asked to end it, or 0.

    A handler would not work: Python runs it between two system calls, so a signal just before the wait would be seen after it."""
    ended_by = 0
    while True:
        number = signal.sigwait(WAITED_FOR)
        if number != signal.SIGCHLD:
            if not ended_by:
                os.kill(suite, STACKS)  # it stays our child until we have waited for it
            ended_by = ended_by or number
            continue
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == suite:
                return ended[1], ended_by


def prctl(option, value):
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def start(command, environment):
    """Starts the suite, which ends when this process does."""
    supervisor = os.getpid()
    suite = os.fork()
    if suite:
        return suite
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAITED_FOR)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        for name in UNSET:
            os.environ.pop(name, None)
        os.execvpe(command[0], command, os.environ | SETTINGS | environment)
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
    finally:
        os._exit(127)


def answer_supervisor():
    """For a suite in Python: when its supervisor is ended, as meson does at the time limit, it writes the stacks of its threads to
    standard error and exits, even if it hangs."""
    # Meson signals the whole group.  The one that ends the suite comes from the supervisor, once: two would cut the stacks short.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: None)
    faulthandler.register(STACKS, chain=True)


# ---- directories -------------------------------------------------------------------------------------------------------------


def bases():
    """The parents of the directory for files and of that for shared memory.

    With little shared memory, as in many containers, rings are regular files, too.  A suite that examines a ring's pages still needs a
    tmpfs (P2PTRACE_TEST_NEEDS=tmpfs): then such suites wait for each other, so that each has all of it."""
    files, shared = tempfile.gettempdir(), os.environ.get("P2PTRACE_SHM_DIR") or "/dev/shm"
    if len(files) > BASE_BYTES_MAX:
        files = "/tmp"
    if len(shared) > BASE_BYTES_MAX:
        shared = "/dev/shm"
    if not os.access(shared, os.W_OK | os.X_OK):
        return files, files
    room = os.statvfs(shared)
    if room.f_bavail * room.f_frsize < SHARED_BYTES:
        if os.environ.get("P2PTRACE_TEST_NEEDS") != "tmpfs":
            return files, files
        fcntl.flock(os.open(shared, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX)  # until this process ends
    return files, shared


@contextlib.contextmanager
def directory(base):
    """A new directory, ours until the end.  Removes those of killed supervisors."""
    for entry in os.scandir(base):
        if entry.name.startswith(PREFIX) and (lock := locked(entry.path)) is not None:
            remove(entry.path)
            os.close(lock)
    lock = None
    while lock is None:  # another supervisor may consider it abandoned before it is locked
        path = tempfile.mkdtemp(prefix=PREFIX, dir=base)
        lock = locked(path)
    try:
        os.chmod(path, 0o711)  # tests run programs as another user
        yield path
    finally:
        remove(path)
        os.close(lock)


def locked(path):
    """A descriptor that holds the lock of this directory; None if the directory is not ours, locked by another process, or removed."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(lock)
        if status.st_uid == os.geteuid() and os.path.samestat(status, os.lstat(path)):
            return lock
    os.close(lock)
    return None


def remove(path):
    """Removes the directory with its contents.  Names what cannot be removed."""
    failures = []
    shutil.rmtree(path, onerror=lambda *failure: failures.append(failure))
    if failures:  # a killed test may have removed its own permissions
        os.chmod(path, 0o700)
        for parent, names, _ in os.walk(path):
            for name in names:
                if not os.path.islink(inner := os.path.join(parent, name)):
                    os.chmod(inner, 0o700)
        shutil.rmtree(path, onerror=lambda _function, name, error: print(f"cannot be removed: {name}: {error[1]}", file=sys.stderr))


# ---- processes -----------------------------------------------------------------------------------------------------------------


def processes():
    """The parent and the state of each process, by id.  If one ends while they are read, its children may be missing: then
    all are read again."""
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


def running():
    """The command lines, by process id, of this process's descendants that have not ended: no zombies."""
    found, mine = processes(), {os.getpid()}
    while more := {pid for pid, (parent, _) in found.items() if parent in mine} - mine:
        mine |= more
    return {pid: command_line(pid) for pid in mine - {os.getpid()} if found[pid][1] not in "ZX"}


def command_line(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
        name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "(ended)"
    return " ".join(words) or f"({name})"


def reap():
    """Waits for the children that have ended.  Returns whether there was one."""
    ended = False
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            ended = True
    return ended


def end_all():
    """Kills all descendants of this process, and those that they start meanwhile.  Returns their command lines.

    A process that ended while the others were listed may have started one that is not in the list.  It is still a zombie then:
    so a list without processes says that none is left only if there is no zombie to wait for, either."""
    found, deadline = {}, time.monotonic() + PATIENCE_S
    while ((now := running()) or reap()) and time.monotonic() < deadline:
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


if __name__ == "__main__":
    main()
