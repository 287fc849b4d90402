"""What runs inside the user's own pytest. Only its files are copied into images, not this package.

They are in a folder of their own, so that adding it to `sys.path` makes nothing else importable.
"""
