"""The outside: the container engine, programs on the host, files that people write.

Each outside thing has one module here, and stations reach it only through that module.
"""
