"""Cells of one run on several hosts (docs/design.md, "Fleet")."""
