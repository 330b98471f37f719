"""``wire.py PORT TARGET``: carries bytes between a port and another one of this machine. Stopped (SIGSTOP),
it is a network that swallows everything and says nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

_PIECE = 1 << 16


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_PIECE):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _serve(port: int, target: int) -> None:
    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, back), _carry(there, writer))

    server = await asyncio.start_server(joined, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
