"""The command line; comes with the extra ``cli``. One module for each command."""

__all__: list[str] = []
