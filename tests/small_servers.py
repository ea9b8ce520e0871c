"""HTTP servers of one function, for what a real server does only when it is ill."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

# The request with its headers, and its body; status, headers (they may replace Date) and content of the answer.
Respond = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]]


def handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    """A handler that answers what `respond` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = respond(self, body)
            self.send_response_only(status)
            for name, value in {"Date": self.date_time_string(), **headers}.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return Handler
