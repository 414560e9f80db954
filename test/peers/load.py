"""Devices that come and go: new TLS sessions at a rate, each with a few requests.

    load = Load(site, leaf, per_second=200)
    ...
    result = load.finish()      # {"sessions": 2400, "failures": {...}}

Runs in a process of its own. The rate is kept whether or not answers come (open loop). A
session fails with the name of what went wrong: "refused", "cut", a status. A kept session
that the gateway ended between two requests, before it took the second, is no failure: a
device then goes on in a new one.
"""

import asyncio
import collections
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys

TIMEOUT_S = 20


class Load:
    def __init__(self, site, leaf, per_second, target="/v1/device", requests=2):
        settings = {"port": site.airnet_port, "name": site.pki.GATEWAY_NAME,
                    "trust": str(site.pki.airnet.path), "certificate": str(leaf.path),
                    "key": str(leaf.key_path), "srv": site.pki.SRV, "target": target,
                    "requests": requests, "per_second": per_second}
        self.process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__), json.dumps(settings)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})

    def finish(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=3 * TIMEOUT_S)
        return json.loads(out)


class Failed(Exception):
    pass


async def _answer(reader):
    """Status and whether the session goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in
              (line.partition(":") for line in lines[1:] if line)}
    await reader.readexactly(int(fields["content-length"]))
    return int(lines[0].split(" ")[1]), fields.get("connection", "").lower() != "close"


async def _requests(reader, writer, settings):
    text = (f"GET {settings['target']} HTTP/1.1\r\nHost: {settings['srv']}\r\n\r\n").encode()
    for n in range(settings["requests"]):
        try:
            writer.write(text)
            await writer.drain()
            status, goes_on = await _answer(reader)
        except (asyncio.IncompleteReadError, OSError) as error:
            if n > 0 and not getattr(error, "partial", b""):
                return
            raise Failed("cut") from None
        if status != 200:
            raise Failed(str(status))
        if not goes_on:
            return


async def _session(context, settings, counts):
    writer = None
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", settings["port"], ssl=context, server_hostname=settings["name"],
            ssl_handshake_timeout=TIMEOUT_S)
        await asyncio.wait_for(_requests(reader, writer, settings), TIMEOUT_S)
    except Failed as error:
        counts[str(error)] += 1
    except ConnectionRefusedError:
        counts["refused"] += 1
    except asyncio.TimeoutError:
        counts["timeout"] += 1
    except (OSError, ssl.SSLError) as error:
        counts[f"handshake: {error}"] += 1
    finally:
        if writer:
            writer.transport.abort()


async def _run(settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(settings["trust"])
    context.load_cert_chain(settings["certificate"], settings["key"])
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    counts, going, n = collections.Counter(), set(), 0
    begin = loop.time()
    while not ending.is_set():
        due = int((loop.time() - begin) * settings["per_second"])
        for n in range(n + 1, due + 1):
            task = asyncio.create_task(_session(context, settings, counts))
            going.add(task)
            task.add_done_callback(going.discard)
        n = max(n, due)
        await asyncio.sleep(0.005)
    await asyncio.gather(*going)
    print(json.dumps({"sessions": n, "seconds": loop.time() - begin, "failures": counts}))


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1])))
