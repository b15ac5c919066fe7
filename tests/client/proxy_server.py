"""A real forwarding proxy, and a TLS server whose certificate a private CA has signed."""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trustme
from attrs import define

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = ["ForwardProxy", "PrivateCA", "TLSFront", "running_proxy", "serving_tls"]

_START_SECONDS = 30.0


@define
class ForwardProxy:
    """A running proxy; its access log shows the requests."""

    port: int
    log: Path
    scheme: str = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def with_login(self, login: str) -> str:
        return f"{self.scheme}://{login}@localhost:{self.port}"

    def tunnels(self) -> list[str]:
        """Hosts and ports of the closed tunnels."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.split("CONNECT ")[1].split(" ")[0] for line in lines if "CONNECT " in line]


@asynccontextmanager
async def running_proxy(
    folder: Path, *options: str, scheme: str = "http"
) -> AsyncGenerator[ForwardProxy]:
    """Run `proxy.py` on a free port."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - before anything runs
    log, port_file = folder / "proxy.log", folder / "port"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port_file)),
        *("--num-workers", "1", "--num-acceptors", "1", "--data-dir", str(folder)),
        *("--log-file", str(log), *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not (port_file.exists() and port_file.read_text().strip()):
                assert process.returncode is None, "the proxy did not start"
                await asyncio.sleep(0.05)
            port = int(port_file.read_text().split()[0])
            while not await _accepts(port):
                await asyncio.sleep(0.05)
        yield ForwardProxy(port, log, scheme)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class PrivateCA:
    """A CA that no system trusts."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "private-ca.pem"
        self._authority.cert_pem.write_to_path(self.file)
        certificate = self._authority.issue_cert("localhost")
        self.server_file = folder / "server.pem"
        self.key_file = folder / "server.key"
        certificate.private_key_pem.write_to_path(self.key_file)
        self.server_file.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.server_file, self.key_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.file)


@define
class TLSFront:
    """Terminates TLS and forwards to a plain server."""

    target: int
    port: int = 0
    accepted: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def place(self) -> str:
        return f"localhost:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        behind, onward = await asyncio.open_connection("127.0.0.1", self.target)
        with suppress(OSError):
            await asyncio.gather(_copy(reader, onward), _copy(behind, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def serving_tls(ca: PrivateCA, target: str) -> AsyncGenerator[TLSFront]:
    """Serve a local server's address with TLS under the name `localhost`."""
    front = TLSFront(int(target.rpartition(":")[2]))
    server = await asyncio.start_server(front.handle, "127.0.0.1", 0, ssl=ca.server_context())
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
