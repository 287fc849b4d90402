"""`nox -s hosts`: whole machines, as users have them, each booted in qemu and used from its first command."""
