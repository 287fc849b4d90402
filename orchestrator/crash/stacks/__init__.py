"""The stacks of a core, as each backend reads them."""
