"""Load on a served model of texts: several clients at once, with texts of every length.

    python -m tests.support.load --clients 8 --seconds 60

It prints the requests per second, the 50th and the 99th percentile of the time that they took, and
the server's largest memory, where /proc tells it. An answer that is an error ends it.
"""

import argparse
import http.client
import json
import re
import threading
import time
from pathlib import Path

import numpy as np

WORDS = ["the", "a", "film", "plot", "was", "and", "not", "dull", "warm", "marvel", "🎬", "电影"]


class Client:
    """One connection, which is kept open until the block ends."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def send(self, content):
        """Send a request; returns the status and what was answered."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/invocations", body, headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())


def send(port, content):
    """Send one request; returns the status and what was answered."""
    with Client(port) as client:
        return client.send(content)


def records(texts, *, attention=False):
    """A request."""
    rows = [{"text": text} for text in texts]
    return {"dataframe_records": rows, "params": {"attention": attention}}


def mixed_texts(rng):
    """One to four texts of 1 to 2,000 words, most of them short."""
    counts = np.exp(rng.uniform(0, np.log(2_000), rng.integers(1, 5))).astype(int)
    return [" ".join(rng.choice(WORDS, count)) for count in counts]


def load(port, *, clients, seconds):
    """Ask for that long; returns how long each request took, in seconds.

    Raises:
        AssertionError: an answer was an error, or lacked a row.
    """
    end = time.monotonic() + seconds
    took, failures = [], []

    def ask(number):
        rng = np.random.default_rng(number)
        with Client(port) as client:
            while time.monotonic() < end and not failures:
                texts = mixed_texts(rng)
                request = records(texts, attention=bool(rng.integers(2)))
                begun = time.perf_counter()
                status, answer = client.send(request)
                took.append(time.perf_counter() - begun)
                if status != 200 or len(answer["predictions"]) != len(texts):
                    failures.append((status, answer))

    threads = [threading.Thread(target=ask, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return took


def memory(port):
    """The largest resident memory so far of what listens on the port, in MiB; None if unknown."""
    table = Path("/proc/net/tcp")
    if not table.exists():  # not Linux
        return None
    rows = [line.split() for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in {f"socket:[{inode}]" for inode in inodes}:
                status = (link.parents[1] / "status").read_text(encoding="utf-8")
                return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return None


def main():
    """Put load on a server, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in {"port": 5001, "clients": 8, "seconds": 60}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    before = memory(given.port)
    took = load(given.port, clients=given.clients, seconds=given.seconds)
    middle, most = np.percentile(took, [50, 99])
    print(f"{len(took)} requests, {len(took) / given.seconds:.1f} a second")
    print(f"p50 {1000 * middle:.0f} ms, p99 {1000 * most:.0f} ms")
    print(f"memory {before} MiB at first, at most {memory(given.port)} MiB")


if __name__ == "__main__":
    main()
