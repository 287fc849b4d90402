from tally._tally import Table

__all__ = ["Table"]
