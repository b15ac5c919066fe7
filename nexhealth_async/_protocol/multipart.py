"""``multipart/form-data`` bodies with a file.

Reference: v3 3, ``POST /patients/{id}/documents``: part ``file``, and further fields.
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
    """Return a form's body and its ``Content-Type``.

    Raises:
        InvalidArgumentError: The content, the file name or the media type is invalid.
    """
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise InvalidArgumentError(f"file must be bytes or a path, not {type(content).__name__}")
    name = _check_filename(filename)
    # A new MimeTypes has the standard library's table, without the machine's files.
    media_type = content_type or MimeTypes().guess_type(name)[0] or "application/octet-stream"
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidArgumentError('content_type must be a media type such as "application/pdf"')
    parts = [f'name="{key}"\r\n\r\n{value}'.encode() for key, value in fields]
    quoted = name.replace('"', "%22")
    head = f'name="file"; filename="{quoted}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
    parts.append(head + content)
    # A hash of the content does not occur in it, and makes equal forms equal bytes.
    boundary = sha256(b"\0".join(parts)).hexdigest()
    lines = (f"--{boundary}\r\nContent-Disposition: form-data; ".encode() + part for part in parts)
    body = b"\r\n".join((*lines, f"--{boundary}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={boundary}"


def _check_filename(filename: object) -> str:
    """Return the file's name, which must be valid in the practice's file system."""
    if not isinstance(filename, str) or not filename.strip(" ."):
        raise InvalidArgumentError("the file needs a name; pass filename=, or a path as file=")
    if not filename.isprintable() or any(separator in filename for separator in "/\\"):
        raise InvalidArgumentError("filename must not hold folders or control characters")
    return filename
