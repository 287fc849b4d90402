"""The outside world: the container engine, programs on the host, the network, files that people write.

Each outside thing has one module here, and stations reach it through that module only.
"""
