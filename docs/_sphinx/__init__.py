"""Sphinx extensions of the site: links to public names, generated tables and pages."""

__all__: list[str] = []
