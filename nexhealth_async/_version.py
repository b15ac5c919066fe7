"""The version of the package, read by the build and by the User-Agent."""

__all__ = ["__version__"]

__version__ = "0.1.0"
"""The release of this package."""
