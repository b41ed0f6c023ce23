"""A proxy that splits TCP, as mobile networks and companies have them: ``uplink_split.py HOST PORT``; prints its port.

It acknowledges what it has taken, and has as much room as the kernel gives it. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

READ_BYTES = 65_536


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    host, port = sys.argv[1], int(sys.argv[2])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, away = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(carry(reader, away), carry(onward, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
