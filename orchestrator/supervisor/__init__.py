"""The supervisor inside a cell's container: the parent of the tested process.

Standard library of Python 3.8 only, and nothing else of the program but the container half of a launcher: it
is copied into images and runs under whichever interpreter they bring. The host reads its constants.
"""
