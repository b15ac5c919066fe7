"""The site's pages; `docs._sphinx` is what Sphinx needs to make them."""

__all__: list[str] = []
