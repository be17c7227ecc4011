# SPDX-License-Identifier: MIT
"""An OTLP/HTTP receiver, for the tests of pushing."""
import gzip
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "helpers"))
from local_http import LocalServer  # noqa: E402

HANG = object()


class Receiver(LocalServer):
    """An OTLP/HTTP receiver with the given answers: (status, headers, body), or HANG for none; then 200s."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        self.answered = 0  # how many requests
        super().__init__(self.handle)
        self.url = self.address

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.requests.append((request.path, dict(request.headers), body))
        said = self.answers.pop(0) if self.answers else (200, {}, b"{}")
        if said is HANG:
            request.close_connection = True
            self.ended.wait()
            return
        status, headers, answer = said
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)
        self.answered += 1

    def spans(self, encoding="gzip"):
        """The spans of all bodies; each one once."""
        found = []
        for path, headers, body in self.requests:
            assert (path, headers["Content-Type"], headers.get("Content-Encoding")) == ("/v1/traces", "application/json", encoding), headers
            message = json.loads(gzip.decompress(body) if encoding else body)
            found += [span for resource in message["resourceSpans"] for span in resource["scopeSpans"][0]["spans"]]
        return found
