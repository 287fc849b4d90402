"""A proxy that decrypts what passes, as those of companies do: it signs by an authority of its own."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from orchestrator.adapters import process


class _Inside(BaseHTTPRequestHandler):
    """A request that the proxy has decrypted, passed on to the one server behind it."""

    server: "Proxy"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        headers = {"Authorization": self.headers.get("Authorization", "")}
        with requests.Session() as session:
            session.trust_env = False
            got = session.get(self.server.origin + self.path, headers=headers, timeout=60)
        self.send_response(got.status_code)
        self.send_header("Content-Type", got.headers.get("Content-Type", "text/html"))
        self.send_header("Content-Length", str(len(got.content)))
        self.end_headers()
        self.wfile.write(got.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: pytest shows what failed."""


class _Outside(BaseHTTPRequestHandler):
    """A client that wants a tunnel, and gets one that ends here."""

    server: "Proxy"

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with self.server.context.wrap_socket(self.connection, server_side=True) as secure:
            _Inside(secure, self.client_address, self.server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


class Proxy(ThreadingHTTPServer):
    """The proxy, with a certificate for `host`; all of that host's requests go to `origin`."""

    def __init__(self, folder: Path, host: str, origin: str) -> None:
        super().__init__(("127.0.0.1", 0), _Outside)
        self.origin = origin
        self.asked: list[str] = []
        self.authority = folder / "ca.pem"
        new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
        _openssl(
            folder, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=A company"
        )
        _openssl(
            folder, "req", "-x509", *new, "-keyout", "key.pem", "-out", "cert.pem", "-subj", f"/CN={host}",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{host}",
            "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that does not trust the certificate hangs up."""


def _openssl(folder: Path, *arguments: str) -> None:
    process.run(["openssl", *arguments], cwd=folder, hint="install openssl")


@contextmanager
def intercepting(folder: Path, host: str, origin: str) -> Iterator[Proxy]:
    """A running proxy, whose keys and certificates lie in a folder that is made for it."""
    folder.mkdir()
    server = Proxy(folder, host, origin)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
