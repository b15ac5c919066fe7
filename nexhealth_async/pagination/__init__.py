"""Iteration over lists: walks, pages, page plans, prefetching and delivered ids."""

__all__: list[str] = []
