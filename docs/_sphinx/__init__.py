"""What the site needs beyond Sphinx: our names, how they read, and the pages from the root."""

__all__: list[str] = []
