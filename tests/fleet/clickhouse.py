# SPDX-License-Identifier: MIT
"""ClickHouse servers for tests: ordinary processes on loopback, each with its own directory and ports.

    with Servers(directory, shards=2) as servers:
        servers[0].sql("SELECT 1")          rows as lists of text
        servers[0].kill(); servers[0].start()

They form the cluster "fleet".  With a ZooKeeper a shard may have several replicas.  If a server ends by itself, the next test that uses it
gets an error (Died).  If LIBCHDB names a library with a current ClickHouse, it replaces them (embedded.py): one server without clusters and
users, so that tests of these are skipped.  Standard library only."""
import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
from xml.sax.saxutils import escape

DEADLINE_S = 60.0 * float(os.environ.get("TEST_TIME_FACTOR", "1"))
LAST_LINES = 6  # of each file of a daemon that ended: what ClickHouse writes about a crash

CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><levels><DDLWorker>debug</DDLWorker></levels><log>{dir}/log</log><errorlog>{dir}/errors</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <path>{dir}/data/</path>
  <tmp_path>{dir}/tmp/</tmp_path>
  <users_config>{dir}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <keep_alive_timeout>3</keep_alive_timeout>
  <timezone>{zone}</timezone>
  <remote_servers><fleet>{shards}</fleet></remote_servers>
  {more}
</yandex>
"""

SHARD = "<shard><internal_replication>true</internal_replication>{}</shard>"
REPLICA = "<replica><host>127.0.0.1</host><port>{}</port></replica>"
REPLICATION = """<interserver_http_port>{interserver}</interserver_http_port><interserver_http_host>127.0.0.1</interserver_http_host>
  <zookeeper><node><host>127.0.0.1</host><port>{zookeeper}</port></node><session_timeout_ms>4000</session_timeout_ms></zookeeper>
  <macros><shard>{shard}</shard><replica>{replica}</replica></macros>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>"""
ZOOKEEPER_JAR = "/usr/share/java/zookeeper.jar"
ZOOKEEPER = """tickTime=500
dataDir={dir}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
"""

TLS = """  <https_port>{port}</https_port>
  <openSSL><server><certificateFile>{certificate}</certificateFile><privateKeyFile>{key}</privateKeyFile><verificationMode>none</verificationMode>
    <loadDefaultCAFile>false</loadDefaultCAFile><cacheSessions>true</cacheSessions><disableProtocols>sslv2,sslv3</disableProtocols></server></openSSL>
"""

USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default></default><readonly><readonly>1</readonly></readonly></profiles>
  <users>
    <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
    <writer><password>{password}</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></writer>
    <reader><password>{password}</password><networks><ip>::/0</ip></networks><profile>readonly</profile><quota>default</quota></reader>
  </users>
  <quotas><default></default></quotas>
</yandex>
"""

PASSWORD = "correct horse"
LIBCHDB = os.environ.get("LIBCHDB")
with_shards = unittest.skipIf(LIBCHDB, "a library has no clusters")
with_users = unittest.skipIf(LIBCHDB, "a library has no users")
with_server = unittest.skipIf(LIBCHDB, "this is about the server program")


def why_not():
    """Why no server can run here, or None."""
    if not LIBCHDB and not shutil.which("clickhouse-server"):
        return "no clickhouse-server: ./dev setup-fleet installs it"
    return None


def free_port():
    """A port for a server.  It stays bound until this program ends, so the kernel gives it to nobody else, even while its server does
    not run.  A server can still bind it: both set SO_REUSEADDR, and only the server listens."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.detach()
        return port


def why_no_replicas():
    """Why no replicas can run here, or None."""
    if LIBCHDB:
        return "a library has no clusters"
    if not shutil.which("java") or not os.path.exists(ZOOKEEPER_JAR):
        return "no ZooKeeper: ./dev setup-fleet-replicas installs it"
    return why_not()


def run(*words, **environment):
    """Runs the inspector with these words."""
    done = subprocess.run([os.environ["INSPECTOR"], *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", errors="replace", timeout=4 * DEADLINE_S, check=False,
                          env=dict(os.environ, **environment))
    Daemon.check_all()
    return done


def on_terminal(*words):
    """What the inspector shows on a terminal, which has no colours."""
    primary, secondary = pty.openpty()
    with subprocess.Popen([os.environ["INSPECTOR"], *map(str, words)], stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary,
                          env=os.environ | {"TERM": "dumb", "PAGER": "cat"}):
        os.close(secondary)
        shown = b""
        with contextlib.suppress(OSError):  # at the end
            while chunk := os.read(primary, 65536):
                shown += chunk
    os.close(primary)
    return shown.decode(errors="replace")


def rows_of(done):
    """The JSON lines that it printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


class Refused(Exception):
    """The server's error for a statement."""


class Died(AssertionError):
    """A daemon ended although no test ended it: its status, and its last output."""


PF_EXITING = 4


def has_ended(process):
    """Also while it ends: its connections are reset a moment before its status can be read."""
    if process.poll() is None:
        try:
            flags = int(pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[6])
        except FileNotFoundError:
            flags = PF_EXITING  # another thread has waited for it
        if flags & PF_EXITING:
            process.wait()
    return process.returncode is not None


class Daemon:
    """A process that runs until it is killed.  It writes to the file `output` of its directory."""
    running = {}  # the daemon of each process
    logs = ("output",)

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = None

    def spawn(self, *command):
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory)
        Daemon.running[self.process] = self

    def last_lines(self):
        """Its last output, as text."""
        lines = [f"the last that {self.process.args[0]} wrote:"]
        for name in self.logs:
            path = self.directory / name
            if path.exists():
                lines += [f"{name}: {line}" for line in path.read_text(errors="replace").splitlines()[-LAST_LINES:]]
        return "\n".join(lines)

    @staticmethod
    def check_all():
        """Raises Died if one has ended."""
        for process, daemon in list(Daemon.running.items()):
            if has_ended(process) and Daemon.running.pop(process, None):  # whoever kills it removes it first
                raise Died(f"{process.args[0]} ended by itself, with status {process.returncode}; {daemon.last_lines()}")

    def wait_for(self, condition, what):
        """Waits for a condition; raises Died if a daemon ends meanwhile."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            Daemon.check_all()
            assert time.monotonic() < end, f"waited too long for {what}; {self.last_lines()}"
            time.sleep(0.02)

    def kill(self, number=signal.SIGKILL):
        """Does nothing if it is not running.  Raises Died if it has ended by itself and that was not reported yet."""
        if self.process not in Daemon.running:
            return
        Daemon.check_all()
        del Daemon.running[self.process]
        self.process.send_signal(number)
        self.process.wait()


class Server(Daemon):
    logs = ("errors", "output")

    def __init__(self, directory, zone="UTC"):
        super().__init__(directory)
        self.zone = zone
        self.http, self.tcp, self.interserver = free_port(), free_port(), free_port()
        for name in ("data", "tmp"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "users.xml").write_text(USERS.format(password=PASSWORD))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}"

    def configure(self, shards, more=""):
        """shards: for each, the TCP ports of its replicas."""
        text = CONFIG.format(dir=escape(str(self.directory)), http=self.http, tcp=self.tcp, zone=self.zone, more=more,
                             shards="".join(SHARD.format("".join(REPLICA.format(port) for port in ports)) for ports in shards))
        (self.directory / "config.xml").write_text(text)

    def serve_tls(self, certificate, key):
        """Before it starts: also serves https, on the port that this returns."""
        self.https = free_port()
        config = self.directory / "config.xml"
        config.write_text(config.read_text().replace("</yandex>", TLS.format(port=self.https, certificate=certificate, key=key) + "</yandex>"))
        return self.https

    def begin(self):
        self.mark_log()
        self.spawn("clickhouse-server", f"--config-file={self.directory}/config.xml")

    def answers(self):
        try:
            with urllib.request.urlopen(self.url + "/ping", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def start(self):
        self.begin()
        self.wait_for(self.answers, f"an answer from {self.url}")

    def start_again(self):
        """Does nothing when it runs."""
        if self.process not in Daemon.running:
            self.start()

    def mark_log(self):
        """From now on, ignores what is in its log already."""
        log = self.directory / "log"
        self.log_begin = log.stat().st_size if log.exists() else 0

    def takes_ddl(self):
        """Whether its thread for statements ON CLUSTER has a session with ZooKeeper and waits for them."""
        return b"DDLWorker: Waiting a watch" in (self.directory / "log").read_bytes()[self.log_begin:]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def sql(self, statement):
        """The rows of a statement, as lists of text."""
        return [line.split("\t") for line in self.raw(statement).decode().splitlines()]

    def raw(self, statement):
        """Its answer; the statement may have data behind it."""
        request = urllib.request.Request(self.url, data=statement if isinstance(statement, bytes) else statement.encode())
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.read().decode()) from None
        except OSError:
            Daemon.check_all()
            raise

    def number(self, statement):
        return int(self.sql(statement)[0][0])


class Embedded(Server):
    """A library with a current ClickHouse, which a program of ours serves."""
    logs = ("output",)

    def configure(self, shards, more=""):
        pass

    def begin(self):
        self.spawn(sys.executable, str(pathlib.Path(__file__).with_name("embedded.py")), LIBCHDB, str(self.directory / "data"), str(self.http))


class ZooKeeper(Daemon):
    def __init__(self, directory):
        super().__init__(directory)
        self.port = free_port()
        (self.directory / "zoo.cfg").write_text(ZOOKEEPER.format(dir=self.directory / "data", port=self.port))
        self.start()

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"srvr")
                return b"Mode" in connection.recv(4096)
        except OSError:
            return False

    def start(self):
        self.spawn("java", "-Xmx256m", "-cp", f"{ZOOKEEPER_JAR}:/usr/share/java/*", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg")
        self.wait_for(self.answers, "ZooKeeper to answer")


class Servers(list):
    """The cluster "fleet": that many shards of one server each; or, with a ZooKeeper, shards of several replicas, like [2, 1].  A library stands
    for all shards."""

    def __init__(self, directory, shards=1, zones=("UTC", "Asia/Kolkata"), zookeeper=None):
        self.shard_count = shards
        sizes = shards if zookeeper else [1] * (1 if LIBCHDB else shards)
        super().__init__((Embedded if LIBCHDB else Server)(pathlib.Path(directory) / f"server{i}", zones[i % len(zones)]) for i in range(sum(sizes)))
        self.zookeeper = zookeeper
        rest = iter(self)
        self.shards = [[next(rest) for _ in range(size)] for size in sizes]
        for number, replicas in enumerate(self.shards):
            for replica, server in enumerate(replicas):
                more = REPLICATION.format(interserver=server.interserver, zookeeper=zookeeper.port, shard=number, replica=replica) if zookeeper else ""
                server.configure([[each.tcp for each in shard] for shard in self.shards], more)
        try:
            for server in self:
                server.begin()
            for server in self:
                server.wait_for(server.answers, f"an answer from {server.url}")
        except BaseException:
            self.close()
            raise

    def create(self, name):
        """A fleet in a database of this name; returns a URL for each shard."""
        urls = [f"{server.url}/{name}" for server in self]
        done = run("fleet", "init", *(["--cluster", "fleet"] if len(self) > 1 else []), *urls)
        assert done.returncode == 0, done
        return urls if len(self) > 1 else urls * self.shard_count

    def wait_for_ddl(self):
        """Waits until each of them accepts statements ON CLUSTER, also after restart_zookeeper.  ClickHouse 18.16 answers earlier, but then such a
        statement ends it with SIGSEGV."""
        for server in self:
            server.wait_for(server.takes_ddl, "the thread for statements ON CLUSTER")

    def restart_zookeeper(self):
        for server in self:
            server.mark_log()
        self.zookeeper.start()

    def close(self):
        with contextlib.ExitStack() as stack:  # all of them, even if one has died
            for server in self:
                stack.callback(server.kill)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
