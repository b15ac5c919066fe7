"""A form with a file in it, as the bytes of a ``multipart/form-data`` body.

Reference: v3 3, ``POST /patients/{id}/documents``: part ``file``, and fields beside it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from mimetypes import MimeTypes
from typing import TYPE_CHECKING

from nexhealth_async.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["form"]

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+\-]+/[\w!#$&^.+\-]+(; ?[\w\-]+=[\w.\-]+)*", re.ASCII)


def form(
    *,
    content: object,
    filename: object,
    content_type: object = None,
    fields: Iterable[tuple[str, str]] = (),
) -> tuple[bytes, str]:
    """Return a form's body and its ``Content-Type``; raises `InvalidArgumentError`."""
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise InvalidArgumentError(f"file is bytes or a path, never a {type(content).__name__}")
    name = _checked_name(filename)
    # The standard library's own table, so that the machine's files are not asked.
    kind = content_type or MimeTypes().guess_type(name)[0] or "application/octet-stream"
    if not isinstance(kind, str) or not _MEDIA_TYPE.fullmatch(kind):
        raise InvalidArgumentError('content_type must be a media type such as "application/pdf"')
    told = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields]
    quoted = name.replace('"', "%22")
    head = f'name="file"; filename="{quoted}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
    told.append(head + content)
    # Drawn from the content, so that it stands nowhere in it and equal forms are equal bytes.
    boundary = sha256(b"\0".join(told)).hexdigest()
    lines = (f"--{boundary}\r\nContent-Disposition: form-data; ".encode() + one for one in told)
    body = b"\r\n".join((*lines, f"--{boundary}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={boundary}"


def _checked_name(filename: object) -> str:
    """Return the file's name; it becomes one in the practice's own file system."""
    if not isinstance(filename, str) or not filename.strip(" ."):
        raise InvalidArgumentError("a file needs a name: pass filename=, or a path as file=")
    if not filename.isprintable() or any(mark in filename for mark in "/\\"):
        raise InvalidArgumentError(
            "filename must be a bare name, without folders or control characters"
        )
    return filename
