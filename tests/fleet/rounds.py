# SPDX-License-Identifier: MIT
"""A server in front of ClickHouse that says in how many rounds a command asks: the requests of a round are sent together, before any of them
is answered.

    with Rounds(server.http, [6, 1]) as rounds:
        run("--fleet", f"{rounds.address}/{database}", "recent")
        rounds.sizes == [6, 1]

It answers a round once as many requests have come as are expected, so that no time counts; if they do not come, the round is smaller.  Each
further request is a round of its own.  Standard library only."""
import http.client
import http.server
import threading

from clickhouse import DEADLINE_S


class Rounds:
    def __init__(self, target, expected=()):
        self.expected, self.sizes, self.connections = list(expected), [], 0
        self.waiting, self.lock = 0, threading.Condition()
        rounds = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with rounds.lock:
                    rounds.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rounds.enter()
                connection = http.client.HTTPConnection("127.0.0.1", target, timeout=DEADLINE_S)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
