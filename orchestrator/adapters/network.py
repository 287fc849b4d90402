"""The host's access to the network: its proxies and its certificate authorities."""

import os
from pathlib import Path
from typing import Final

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
CA_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Fedora keep the bundle that an administrator adds a company's authority to."""
PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
"""In both cases. An engine accepts them as build arguments without an ARG line, and records them nowhere."""


def proxies() -> dict[str, str]:
    """The host's proxy variables, each in lower and upper case, since programs read one or the other.

    all_proxy replaces http_proxy and https_proxy where they are not set: engines pass only those two on.
    """
    found = {name: _either(name) for name in PROXY_VARIABLES}
    for name in ("http_proxy", "https_proxy"):
        found[name] = found[name] or _either("all_proxy")
    known = {name: value for name, value in found.items() if value}
    return known | {name.upper(): value for name, value in known.items()}


def _either(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def ca_bundle() -> Path | None:
    """The file of certificate authorities that this host trusts: the user's own choice, else the system's."""
    own = [value for name in CA_VARIABLES if (value := os.environ.get(name))]
    return next((path for name in (*own, *CA_BUNDLES) if (path := Path(name)).is_file()), None)
