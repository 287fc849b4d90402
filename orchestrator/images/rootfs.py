"""Root filesystems by mmdebstrap, loaded into the engine as an image archive that this module writes.

Not `docker import`: it records the host's architecture whatever the files are, and no labels.
"""

import hashlib
import io
import json
import shlex
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from orchestrator import invocation
from orchestrator.adapters import process
from orchestrator.adapters.network import proxies
from orchestrator.images.network import persistently
from orchestrator.model import Arch, ImageSpec, Suite

TIMEOUT: Final = 1800
"""Seconds for one mmdebstrap; under qemu-user it takes minutes."""
HOOKS: Final = "/usr/share/mmdebstrap/hooks"
LEFT_OUT: Final = ("doc", "info", "locale", "man")
"""Folders of /usr/share that no cell reads."""
STATUS: Final = "./var/lib/dpkg/status"
PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HINT: Final = f"see `{invocation.command('doctor')}`; mmdebstrap needs root and a Debian mirror in reach"


@dataclass(frozen=True, kw_only=True)
class Rootfs:
    """A root filesystem's tar, and its packages, as Debian's mirror had them on that day.

    One `package version arch` a line.
    """

    tar: Path
    packages: str


def command(base: Suite, arch: Arch) -> str:
    """The mmdebstrap command line without its target, one argument a line, quoted as for a shell."""
    args = [
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        f"--architectures={arch.debian}",
        f"--include={','.join(base.packages)}",
        *_foreign(arch),
        *_without_security(base, arch),
        # These stay in the image, where they also keep compile stages small and fast.
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        *(['--aptopt=Acquire::Check-Valid-Until "false"'] if base.may_be_expired else []),
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
        *(f"--hook-dir={HOOKS}/{name}" for name in base.hooks),
        *_debug_hook(base),
        # A trial's work volume takes owner and mode from here.
        '--customize-hook=install -d -m 1777 -o 1000 -g 1000 "$1/work"',
        base.suite,
    ]
    return "\n".join(shlex.quote(arg) for arg in args) + "\n"


def _foreign(arch: Arch) -> list[str]:
    """Skip mmdebstrap's own check, which needs arch-test: the host is known to run the architecture."""
    return [] if arch is Arch.X86_64 else ["--skip=check/qemu"]


def _without_security(base: Suite, arch: Arch) -> list[str]:
    """Leave out the security archive before anything is fetched, for mirrors that list files they lack."""
    hook = r'--setup-hook=sed -i "/-security/d" "$1/etc/apt/sources.list"'
    return [hook] if arch in base.without_security else []


def _debug_hook(base: Suite) -> list[str]:
    """Take only the separate debug files out of -dbg packages, which would install a second interpreter."""
    if not base.debug:
        return []
    script = (
        f"cd /tmp; apt-get -qq download {' '.join(base.debug)}; "
        "for deb in *.deb; do dpkg-deb --fsys-tarfile $deb | tar -x -C / ./usr/lib/debug/.build-id; done; "
        "rm -- *.deb"
    )
    return [f"--customize-hook=chroot \"$1\" sh -ec '{script}'"]


def make(spec: ImageSpec, folder: Path, log: IO[str], stop: threading.Event) -> Rootfs:
    """Run mmdebstrap, and retry after a network failure; raises ToolError."""
    tar = folder / "rootfs.tar"
    argv = [*shlex.split(spec.text), str(tar)]
    persistently(_run, stop)(argv, log)
    with tarfile.open(tar) as files:
        status = files.extractfile(STATUS)
        text = status.read().decode() if status else ""
    return Rootfs(tar=tar, packages=packages(text))


def empty(folder: Path) -> Rootfs:
    """An empty root filesystem."""
    tar = folder / "rootfs.tar"
    tarfile.open(tar, "w").close()
    return Rootfs(tar=tar, packages="")


def _run(argv: list[str], log: IO[str]) -> None:
    Path(argv[-1]).unlink(missing_ok=True)
    done = process.run(argv, root=True, check=False, hint=HINT, timeout=TIMEOUT, env=proxies())
    said = done.stderr.decode(errors="replace")
    log.write(said)
    if done.status != 0:
        raise process.failure(f"mmdebstrap ended with status {done.status}", said, HINT)


def packages(status: str) -> str:
    """The installed packages of a dpkg status file, sorted, one `package version arch` a line."""
    found = []
    for paragraph in status.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not line.startswith(" ")]
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        if fields.get("Status", "").endswith(" installed"):
            found.append(f"{fields['Package']} {fields['Version']} {fields['Architecture']}\n")
    return "".join(sorted(found))


def archive(spec: ImageSpec, rootfs: Rootfs, labels: Mapping[str, str], out: IO[bytes]) -> None:
    """Write an image of one layer as `docker save` would: manifest, configuration, layer."""
    with rootfs.tar.open("rb") as stream:
        diff_id = hashlib.file_digest(stream, "sha256").hexdigest()
    config = json.dumps(_config(spec, diff_id, labels), sort_keys=True).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{diff_id}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [spec.tag], "Layers": [layer_name]}]
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(rootfs.tar, arcname=layer_name)
        for name, content in ((config_name, config), ("manifest.json", json.dumps(manifest).encode())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _config(spec: ImageSpec, diff_id: str, labels: Mapping[str, str]) -> dict[str, object]:
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    system, architecture = spec.arch.platform.split("/")
    return {
        "architecture": architecture,
        "os": system,
        "created": created,
        "config": {"Env": [PATH], "Cmd": ["/bin/sh"], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": created, "created_by": spec.text.replace("\n", " ").strip()}],
    }
