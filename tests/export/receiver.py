# SPDX-License-Identifier: MIT
"""An OTLP/HTTP receiver, for the tests of pushing."""
import gzip
import http.server
import json
import threading


HANG = object()


class Receiver:
    """An OTLP/HTTP receiver with the given answers: (status, headers, body), or HANG for none; then 200s."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        self.answered = 0  # how many requests
        self.ended = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                said = receiver.answers.pop(0) if receiver.answers else (200, {}, b"{}")
                if said is HANG:
                    self.close_connection = True
                    receiver.ended.wait()
                    return
                status, headers, answer = said
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                receiver.answered += 1

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def spans(self, encoding="gzip"):
        """The spans of all bodies; each one once."""
        found = []
        for path, headers, body in self.requests:
            assert (path, headers["Content-Type"], headers.get("Content-Encoding")) == ("/v1/traces", "application/json", encoding), headers
            message = json.loads(gzip.decompress(body) if encoding else body)
            found += [span for resource in message["resourceSpans"] for span in resource["scopeSpans"][0]["spans"]]
        return found
