# SPDX-License-Identifier: MIT
"""A server in front of ClickHouse that says in how many rounds a command asks: the requests of a round are sent together, before any of them
is answered.

    with Rounds(server.http, [6, 1]) as rounds:
        run("--fleet", f"{rounds.address}/{database}", "recent")
        rounds.sizes == [6, 1]

It answers a round once as many requests have come as are expected, so that no time counts; if they do not come, the round is smaller.  Each
further request is a round of its own.  Standard library only."""
import http.client
import os
import sys
import threading

from clickhouse import DEADLINE_S

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
from local_http import LocalServer  # noqa: E402


class Rounds(LocalServer):
    def __init__(self, target, expected=()):
        self.target, self.expected, self.sizes, self.clients = target, list(expected), [], set()
        self.waiting, self.lock = 0, threading.Condition()
        super().__init__(self.handle)

    @property
    def connections(self):
        return len(self.clients)

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self.lock:
            self.clients.add(request.client_address)
        self.enter()
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=DEADLINE_S)
        connection.request("POST", request.path, body, dict(request.headers))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        request.send_response(answer.status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def enter(self):
        """Returns when the round of this request is complete."""
        with self.lock:
            number = len(self.sizes)
            self.waiting += 1
            if self.waiting >= (self.expected[number] if number < len(self.expected) else 1):
                self.sizes.append(self.waiting)
                self.waiting = 0
                self.lock.notify_all()
            elif not self.lock.wait_for(lambda: len(self.sizes) > number, DEADLINE_S):  # the rest was not sent
                self.sizes.append(self.waiting)
                self.waiting = 0
                self.lock.notify_all()
