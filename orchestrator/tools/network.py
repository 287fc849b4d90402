"""How this host reaches the network: whose certificates it trusts."""

import os
from pathlib import Path
from typing import Final

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
CA_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Fedora keep the bundle that an administrator adds a company's authority to."""


def ca_bundle() -> Path | None:
    """The file of certificate authorities that this host trusts: the user's own choice, else the system's."""
    own = [value for name in CA_VARIABLES if (value := os.environ.get(name))]
    return next((path for name in (*own, *CA_BUNDLES) if (path := Path(name)).is_file()), None)
