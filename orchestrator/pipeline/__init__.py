"""The run as a visible list of steps; hands each station its input.

Import a step from its module: each command imports only the stations that it runs.
"""
