# SPDX-License-Identifier: MIT
"""ClickHouse servers for tests: ordinary processes on loopback, each in a directory of its own, on ports that were free.

    with Servers(directory, shards=2) as servers:
        servers[0].sql("SELECT 1")          rows as lists of text
        servers[0].kill(); servers[0].start()

They know each other as the cluster "fleet".  With a ZooKeeper there may be several replicas of a shard.  Standard library only."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from xml.sax.saxutils import escape

DEADLINE_S = 60.0 * float(os.environ.get("TEST_TIME_FACTOR", "1"))

CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><log>{dir}/log</log><errorlog>{dir}/errors</errorlog></logger>
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


def why_not():
    """Why there can be no server here, or None."""
    if not shutil.which("clickhouse-server"):
        return "no clickhouse-server: ./dev setup-fleet installs it"
    return None


def free_port():
    """A port that stays this process's: bound with SO_REUSEADDR and never listened on, a server can bind it again, and start again on it,
    but the kernel gives it to nobody else."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    holder.detach()  # open until the process ends
    return port


def why_no_replicas():
    """Why there can be no replicas here, or None."""
    if not shutil.which("java") or not os.path.exists(ZOOKEEPER_JAR):
        return "no ZooKeeper: ./dev setup-fleet-replicas installs it"
    return why_not()


def run(*words):
    """What the inspector does with these words."""
    return subprocess.run([os.environ["INSPECTOR"], *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", errors="replace", timeout=4 * DEADLINE_S, check=False)


def rows_of(done):
    """The JSON lines that it printed."""
    return [json.loads(line) for line in done.stdout.splitlines()]


class Refused(Exception):
    """What the server said against a statement."""


class Server:
    def __init__(self, directory, zone="UTC"):
        self.directory = pathlib.Path(directory)
        self.zone = zone
        self.http, self.tcp, self.interserver = free_port(), free_port(), free_port()
        self.process = None
        for name in ("data", "tmp"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "users.xml").write_text(USERS.format(password=PASSWORD))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}"

    def configure(self, shards, more=""):
        """shards: of each the TCP ports of its replicas."""
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
        self.process = subprocess.Popen(["clickhouse-server", f"--config-file={self.directory}/config.xml"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.directory)

    def wait(self):
        """True once it answers, false when it has ended."""
        end = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/ping", timeout=5) as answer:
                    return answer.status == 200
            except OSError:
                assert time.monotonic() < end, f"no answer from {self.url}"
                time.sleep(0.02)
        return False

    def start(self):
        self.begin()
        assert self.wait(), (self.directory / "errors").read_text()

    def kill(self, number=signal.SIGKILL):
        if self.process:
            self.process.send_signal(number)
            self.process.wait()

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

    def number(self, statement):
        return int(self.sql(statement)[0][0])


class ZooKeeper:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
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
        self.process = subprocess.Popen(["java", "-Xmx256m", "-cp", f"{ZOOKEEPER_JAR}:/usr/share/java/*", "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                                         "zoo.cfg"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.directory)
        end = time.monotonic() + DEADLINE_S
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < end, "ZooKeeper does not start"
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Servers(list):
    """The cluster "fleet": so many shards of one server each; or, with a ZooKeeper, shards of several replicas, like [2, 1]."""

    def __init__(self, directory, shards=1, zones=("UTC", "Asia/Kolkata"), zookeeper=None):
        sizes = shards if zookeeper else [1] * shards
        super().__init__(Server(pathlib.Path(directory) / f"server{i}", zones[i % len(zones)]) for i in range(sum(sizes)))
        rest = iter(self)
        self.shards = [[next(rest) for _ in range(size)] for size in sizes]
        for number, replicas in enumerate(self.shards):
            for replica, server in enumerate(replicas):
                more = REPLICATION.format(interserver=server.interserver, zookeeper=zookeeper.port, shard=number, replica=replica) if zookeeper else ""
                server.configure([[each.tcp for each in shard] for shard in self.shards], more)
                server.begin()
        if not all([server.wait() for server in self]):
            self.close()
            raise AssertionError("\n".join((server.directory / "errors").read_text() for server in self))

    def close(self):
        for server in self:
            server.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
