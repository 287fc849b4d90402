"""The folder of a run: the names of its files, how they are read, and the records of its cells."""
