"""Builds behind a proxy and a company's authority: both reach the steps, neither reaches what comes out."""

import json
import ssl
import tarfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import docker
import pytest
import requests

from orchestrator import images
from orchestrator.adapters import process
from orchestrator.adapters.engine import Engine
from orchestrator.adapters.network import PROXY_VARIABLES
from orchestrator.errors import BuildError, ToolError
from orchestrator.images import rootfs
from orchestrator.images.context import write
from orchestrator.images.download import obtain
from orchestrator.images.recipe_book import content_key
from orchestrator.images.templates import fill
from orchestrator.matrix import Request
from orchestrator.model import Arch, ImageKind, ImageSpec, UrlFile
from orchestrator.pipeline.planning import make_plan
from orchestrator.pipeline.projects import Project
from tests.integration.runs import ROOT, run

SECRET = "user:letmein"
TRUST = fill((ROOT / "images",), "trust.j2", {})
STAGES = f"""\
FROM {{base}} AS compile
{TRUST}
RUN {{step}}

FROM {{base}}
COPY --from=compile /out /out
"""
READ = (
    """["python3", "-c", "import urllib.request as u; open('/out', 'wb').write(u.urlopen('{url}').read())"]"""
)


class Forward(BaseHTTPRequestHandler):
    """A proxy for plain HTTP, and a server: what is not asked for by a whole URL is answered here."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if not self.path.startswith("http"):
            self._answer(200, b"from the company's server")
        elif ".invalid/" in self.path:
            self._answer(200, b"through the proxy")
        else:
            got = requests.get(self.path, timeout=60, proxies={"http": "", "https": ""})
            self._answer(got.status_code, got.content)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: pytest shows what failed."""


class Server(ThreadingHTTPServer):
    """Listens where both this host and the engine's containers reach it, with a certificate or without."""

    def __init__(self, address: str, certificate: Path | None = None) -> None:
        super().__init__((address, 0), Forward)
        self.asked: list[str] = []
        self.where = f"{address}:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who does not trust the certificate hangs up, which is what a test wants."""


class Silence:
    """A progress that nobody watches."""

    def image_started(self, role: str) -> None:
        """Nothing."""

    def image_ended(self, role: str, seconds: float, error: str | None) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def base(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base with Python and apt, built where it is not there; nothing else of a cell is needed here."""
    project = Project.load(ROOT)
    planned = make_plan(project, Request(cells=frozenset({"tls-atexit/py3.11-glibc2.36-x86_64-plain-cpp"})))
    (spec,) = (spec for spec in planned.specs if spec.role == "base-bookworm")
    make(engine, [spec], tmp_path_factory.mktemp("logs"))
    return spec.tag


def make(engine: Engine, specs: Sequence[ImageSpec], logs: Path) -> str:
    """The id of the last image, built where it is not there."""
    made = images.build_all(
        engine, specs, jobs=1, logs=logs, stop=threading.Event(), on_ready=lambda *_: None, progress=Silence()
    )
    image = made[specs[-1].key]
    assert isinstance(image, str), image
    return image


@pytest.fixture(scope="module")
def gateway(engine: Engine) -> str:
    """This host's address in the network that builds use."""
    client = docker.DockerClient(base_url=engine.endpoint)
    try:
        every = client.networks.get("bridge").attrs["IPAM"]["Config"]
        config = next(item for item in every if ip_network(item["Subnet"]).version == 4)
        # An engine that has just made this network may not say it yet (20.10): it is the first address then.
        return str(config.get("Gateway") or next(ip_network(config["Subnet"]).hosts()))
    finally:
        client.close()


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(gateway: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A proxy of the test's own; this host's, if it has one, is not used."""
    for name in (*PROXY_VARIABLES, "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield from serving(Server(gateway))


@pytest.fixture(scope="module")
def authority(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem and a certificate of its, with key, for this host's address."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        process.run(["openssl", *arguments], cwd=folder, hint="install openssl")

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=A company")
    openssl(
        "req", "-x509", *new, "-keyout", "key.pem", "-out", "cert.pem", "-subj", f"/CN={gateway}",
        "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{gateway}",
        "-addext", "basicConstraints=critical,CA:FALSE",
    )  # fmt: skip
    both = [(folder / name).read_text() for name in ("key.pem", "cert.pem")]
    (folder / "server.pem").write_text("".join(both))
    return folder


@pytest.fixture
def company(gateway: str, authority: Path) -> Iterator[Server]:
    yield from serving(Server(gateway, authority / "server.pem"))


def built(engine: Engine, text: str, folder: Path, *, offline: bool = False) -> tuple[str, str]:
    """Build a Dockerfile as the images station does; returns the image's id and the build's log."""
    key = content_key("test-network", ImageKind.DOCKERFILE, Arch.X86_64, text, ())
    spec = ImageSpec(role="test-network", kind=ImageKind.DOCKERFILE, arch=Arch.X86_64, text=text, key=key)
    with (folder / "context.tar").open("w+b") as context, (folder / "log").open("w+") as log:
        write(spec, context, threading.Event())
        context.seek(0)
        image = engine.build(context, tag=spec.tag, labels={}, log=log, offline=offline)
        log.seek(0)
        return image, log.read()


def content(engine: Engine, image: str, path: str) -> bytes:
    container = engine.hold(image, labels={})
    try:
        return b"".join(stream.read() for _, stream in engine.fetch(container, path))
    finally:
        engine.remove(container)


def all_of(engine: Engine, image: str) -> bytes:
    """An image whole: its configuration, its history, and its files, layer by layer."""
    client = docker.DockerClient(base_url=engine.endpoint)
    try:
        said = json.dumps([client.api.inspect_image(image), client.api.history(image)]).encode()
        return said + b"".join(client.api.get_image(image))
    finally:
        client.close()


@pytest.fixture
def clean(engine: Engine) -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for image in made:
        engine.remove_image(image)


def test_the_proxy_reaches_a_build_step_and_stays_in_no_image(  # noqa: PLR0917
    engine: Engine, base: str, proxy: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    clean: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ALL_PROXY", f"http://{SECRET}@{proxy.where}")
    asked = f"http://{uuid.uuid4().hex}.invalid/"  # the engine keeps the step of an earlier run
    image, log = built(engine, STAGES.format(base=base, step=READ.format(url=asked)), tmp_path)
    clean.append(image)
    assert proxy.asked == [asked]
    assert content(engine, image, "/out") == b"through the proxy"
    everything = all_of(engine, image)
    assert b"COPY" in everything
    for trace in (SECRET.encode(), proxy.where.encode()):
        assert trace not in everything
        assert trace not in log.encode()


@pytest.fixture
def proxies_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of this host's variables, and those of Docker's configuration, which its SDK hands on."""
    address = f"http://{SECRET}@proxy.invalid:3128"
    monkeypatch.setenv("ALL_PROXY", address)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    settings = {"proxies": {"default": {"httpProxy": address, "httpsProxy": address}}}
    (tmp_path / "docker/config.json").write_text(json.dumps(settings))


@pytest.mark.usefixtures("proxies_of_the_user")
def test_a_build_without_a_network_is_told_no_proxy(base: str, tmp_path: Path, clean: list[str]) -> None:
    """Its steps run a package's own code."""
    key = f"# {tmp_path.name}\nFROM {base}\nRUN env >/out\n"
    engine = Engine.connect()
    try:
        image, _ = built(engine, key, tmp_path, offline=True)
        clean.append(image)
        seen = content(engine, image, "/out").decode()
    finally:
        engine.close()
    assert "PATH=" in seen
    assert "proxy" not in seen.lower()


@pytest.mark.parametrize("network", ["false", "true"])
@pytest.mark.usefixtures("proxies_of_the_user")
def test_a_cell_is_told_no_proxy(tmp_path: Path, network: str) -> None:
    project = tmp_path / "project"
    (project / "scenarios").mkdir(parents=True)
    (project / "matrix.yaml").write_text("schema: 1\n")
    (project / "seen.py").write_text("import os; print(*os.environ)\n")
    (project / "scenarios/seen.yaml").write_text(f"schema: 1\nscript: seen.py\nnetwork: {network}\n")
    chosen = ("--python", "3.11", "--glibc", "2.36", "--launcher", "plain")
    ended = run(*chosen, reports=tmp_path / "reports", project=project)
    assert ended.code == 0, ended.stdout + ended.stderr
    (result,) = ended.results.values()
    seen = (ended.folder / result.trials[0].outcome.stdout).read_text()
    assert "PATH" in seen
    assert "proxy" not in seen.lower()


@pytest.mark.parametrize("client", ["python", "apt"])
def test_the_hosts_authorities_reach_a_build_step_and_stay_in_no_image(  # noqa: PLR0917
    engine: Engine, base: str, company: Server, authority: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, clean: list[str], client: str,
) -> None:  # fmt: skip
    url = f"https://{company.where}/{tmp_path.name}"
    fetching = {
        "python": READ.format(url=url),
        "apt": f"/usr/lib/apt/apt-helper download-file {url} /out",
    }
    text = STAGES.format(base=base, step=fetching[client])
    with pytest.raises(BuildError, match="returned a non-zero code"):
        built(engine, text, tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    image, _ = built(engine, text, tmp_path)
    clean.append(image)
    assert content(engine, image, "/out") == b"from the company's server"
    line = (authority / "ca.pem").read_bytes().splitlines()[5]
    assert line not in all_of(engine, image)
    with pytest.raises(FileNotFoundError):
        content(engine, image, "/usr/lib/ssl/cert.pem")


@pytest.mark.parametrize("made_of", ["py3.11-glibc2.36", "py3.11-glibc2.17"])
def test_a_cell_holds_nothing_of_the_hosts_authorities(engine: Engine, tmp_path: Path, made_of: str) -> None:
    """On a suite's base, and where base, interpreter and server come from a toolchain, which trusts."""
    cell = f"tls-atexit/{made_of}-x86_64-uwsgi-cpp"
    specs = make_plan(Project.load(ROOT), Request(cells=frozenset({cell}))).specs
    image = make(engine, specs, tmp_path)
    for place in ("/usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"):
        with pytest.raises(FileNotFoundError):
            content(engine, image, place)


def test_a_download_trusts_whom_the_host_trusts(
    company: Server, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = UrlFile(source="url", name="f", version="1.0", urls=(f"https://{company.where}/f.tar",))
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda *_: 0)
    with pytest.raises(ToolError, match="certificate verify failed"):
        obtain(item, None, tmp_path, threading.Event())
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    fetched = obtain(item, None, tmp_path, threading.Event())
    assert fetched.read_bytes() == b"from the company's server"


def test_mmdebstrap_goes_through_the_proxy_and_leaves_no_trace_of_it(
    proxy: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://{SECRET}@{proxy.where}")
    text = "mmdebstrap\n--variant=extract\n--include=base-files\n--format=tar\ntrixie\n"
    spec = ImageSpec(role="test", kind=ImageKind.ROOTFS, arch=Arch.X86_64, text=text, key="0" * 64)
    with (tmp_path / "log").open("w") as log:
        made = rootfs.make(spec, tmp_path, log, threading.Event())
    assert any("base-files" in url for url in proxy.asked)
    with tarfile.open(made.tar) as tar:
        opened = {entry.name: tar.extractfile(entry) for entry in tar if entry.isreg()}
        files = {name: stream.read() for name, stream in opened.items() if stream}
    assert "./etc/debian_version" in files
    assert [name for name, data in files.items() if proxy.where.encode() in data] == []
