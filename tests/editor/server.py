"""Client of a language server, as in an editor: one file, a caret, and what is shown there."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

__all__ = ["Editor", "editing"]

SECONDS = 100
CARET = "|"
"""Marks the caret in a text; it is removed before the server sees the text."""

Message = dict[str, object]


class Editor:
    """One open file, whose whole text is replaced for every request."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._in = cast("IO[bytes]", process.stdin)
        self._answers: dict[int, object] = {}
        self._told: queue.Queue[Message | None] = queue.Queue()
        self._last = 0
        self._version = 0
        self._uri = (folder / "typed.py").as_uri()
        self._root = folder.as_uri()
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()

    def open(self) -> None:
        """Initialize the server and open an empty file."""
        formats = {"contentFormat": ["plaintext"], "documentationFormat": ["plaintext"]}
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": self._root,
                "workspaceFolders": [{"uri": self._root, "name": "folder"}],
                "capabilities": {
                    "workspace": {"configuration": True},
                    "textDocument": {
                        "hover": formats,
                        "completion": {"completionItem": formats},
                        "publishDiagnostics": {"versionSupport": True},
                    },
                },
            },
        )
        self._tell("initialized", {})
        document = {"uri": self._uri, "languageId": "python", "version": 0, "text": ""}
        self._tell("textDocument/didOpen", {"textDocument": document})

    def close(self) -> None:
        """Shut the server down."""
        self._ask("shutdown", None)
        self._tell("exit", None)

    def offers(self, text: str) -> set[str]:
        """Return what completion offers at the caret."""
        found = self._at_caret("textDocument/completion", text)
        items = cast("dict[str, list[Message]]", found)["items"]
        return {str(item["label"]) for item in items}

    def shows(self, text: str) -> str:
        """Return what hovering over the caret shows."""
        found = self._at_caret("textDocument/hover", text)
        return str(cast("dict[str, Message]", found)["contents"]["value"]) if found else ""

    def complains(self, text: str) -> list[str]:
        """Return the errors in a text, each with the text of its line."""
        version = self._type(text)
        while True:
            message = self._next()
            shown = cast("Message", message.get("params"))
            if message.get("method") != "textDocument/publishDiagnostics":
                continue
            if shown["uri"] == self._uri and shown.get("version") == version:
                found = cast("list[Message]", shown["diagnostics"])
                return [str(one["message"]) for one in found if one["severity"] == 1]

    def _at_caret(self, method: str, text: str) -> object:
        before, _, after = text.partition(CARET)
        self._type(before + after)
        line = before.count("\n")
        place = {"line": line, "character": len(before.rpartition("\n")[2])}
        return self._ask(method, {"textDocument": {"uri": self._uri}, "position": place})

    def _type(self, text: str) -> int:
        self._version += 1
        document = {"uri": self._uri, "version": self._version}
        whole = {"textDocument": document, "contentChanges": [{"text": text}]}
        self._tell("textDocument/didChange", whole)
        return self._version

    def _ask(self, method: str, params: object) -> object:
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        while number not in self._answers:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                self._answers[number] = message.get("result")
        return self._answers.pop(number)

    def _tell(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _next(self) -> Message:
        message = self._told.get(timeout=SECONDS)
        assert message is not None, "the language server ended"
        if "id" in message and "method" in message:
            self._send({"id": message["id"], "result": _reply(message)})
        return message

    def _send(self, message: Mapping[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._in.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._in.flush()

    def _read(self, out: IO[bytes]) -> None:
        while head := out.readline():
            size = 0
            while head.strip():
                name, _, value = head.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
                head = out.readline()
            self._told.put(json.loads(out.read(size)))
        self._told.put(None)


def _reply(message: Message) -> object:
    """Answer the requests of the server; the settings name the Python with the package."""
    if message["method"] != "workspace/configuration":
        return None
    items = cast("dict[str, list[dict[str, str]]]", message["params"])["items"]
    settings: dict[str, object] = {
        "python": {"pythonPath": sys.executable},
        "python.analysis": {"typeCheckingMode": "standard", "diagnosticMode": "openFilesOnly"},
    }
    return [settings.get(one.get("section", "")) for one in items]


@contextmanager
def editing(folder: Path) -> Generator[Editor, None, None]:
    """Start the language server of pyright in an empty folder."""
    found = shutil.which("pyright-langserver", path=sysconfig.get_path("scripts"))
    assert found, "pyright-langserver is not where this Python keeps its scripts"
    process = subprocess.Popen(  # noqa: S603 - our own dependency
        [found, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        editor = Editor(process, folder)
        editor.open()
        yield editor
        editor.close()
        process.wait(SECONDS)
    finally:
        process.kill()
        process.communicate()
