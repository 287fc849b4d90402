"""What runs inside the user's own pytest. Only its files are copied into images, not this package.

They lie in a folder of their own, so that nothing else can be imported by their being there.
"""
