"""TLS context of a session, from its argument ``ssl``."""

from __future__ import annotations

import os
import ssl

from nexhealth_async.errors import InvalidArgumentError

__all__ = ["tls_context"]


def tls_context(value: ssl.SSLContext | str | os.PathLike[str] | None) -> ssl.SSLContext | None:
    """Return the TLS context for the argument ``ssl``.

    Args:
        value: A context, or the path of a PEM file with CAs to trust beside the system's.

    Raises:
        InvalidArgumentError: The file holds no certificates, or the context does not verify them.
    """
    if value is None:
        return None
    if isinstance(value, ssl.SSLContext):
        if value.verify_mode is not ssl.CERT_REQUIRED or not value.check_hostname:
            raise InvalidArgumentError(
                "ssl must be a context that verifies certificates and host names; "
                "use ssl.create_default_context()"
            )
        return value
    if not isinstance(value, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            "ssl must be an ssl.SSLContext, the path of a file of CA certificates, or None; "
            "certificates are always verified"
        )
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=os.fspath(value))
    except (OSError, ValueError):
        raise InvalidArgumentError(
            "the file passed as ssl= cannot be read or holds no CA certificates in PEM form; "
            "check its path"
        ) from None
    return context
