"""Three Starling servers that are stopped, killed, started and looked at while a measurement goes on."""

import http.client
import json
import os
import re
import shutil
import signal
import time

from failure import Failure
from peer_starling import CLIENT_OFFSET, HTTP_OFFSET, NAMES
from processes import free_ports, http as get, tail


class Cluster:
    """Data directories lie in `place`, plan files and logs in `directory`."""

    def __init__(self, program, processes, directory, say, curve=()):
        self.program, self.processes, self.directory, self.say = program, processes, directory, say
        self.curve = list(curve)
        self.servers, self.place = {}, directory
        base = free_ports([offset + i for offset in (0, CLIENT_OFFSET, HTTP_OFFSET) for i in range(len(NAMES))])
        self.ports = {name: base + i for i, name in enumerate(NAMES)}
        plan = ",".join(f"{name}=127.0.0.1:{port}" for name, port in self.ports.items())
        os.makedirs(directory, exist_ok=True)
        processes.run([program, "cluster", "plan", "--servers", plan, "--out", directory], 30)

    # ---- Servers

    def http_port(self, name):
        return self.ports[name] + HTTP_OFFSET

    def client_addresses(self, names=NAMES):
        return [f"127.0.0.1:{self.ports[name] + CLIENT_OFFSET}" for name in names]

    def data(self, name):
        return os.path.join(self.place, name)

    def start(self, names=NAMES, flags=()):
        """Starts servers; the time of `time.monotonic()` just before."""
        began = time.monotonic()
        for name in names:
            self.servers[name] = self.processes.start_stamped([
                self.program, "serve", "--data", self.data(name), "--name", name,
                "--plan", f"{self.directory}/{name}.plan.json", "--peer", f"127.0.0.1:{self.ports[name]}",
                "--client", self.client_addresses([name])[0], "--http", f"127.0.0.1:{self.http_port(name)}",
                *self.curve, *flags], f"{self.directory}/{name}.log")
        return began

    def kill(self, names=NAMES):
        """As a power cut does it to the processes, all at one time."""
        for name in names:
            self.servers[name].kill()
        for name in names:
            self.processes.stop([self.servers.pop(name)])

    def stop(self, names=NAMES):
        self.processes.stop([self.servers.pop(name) for name in list(names) if name in self.servers])

    def discard(self):
        """Stops all servers and removes their data."""
        self.stop()
        for name in NAMES:
            shutil.rmtree(self.data(name), ignore_errors=True)

    def signal(self, name, number):
        os.kill(self.servers[name].pid, number)

    def check(self):
        for name, process in self.servers.items():
            if process.poll() is not None:
                raise Failure(f"server {name} exited {process.returncode}; it said: {tail(process.log)}")

    def wait(self, holds, what, seconds=60, pause=0.05):
        """Asks until `holds()` is true of something, and returns that."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{what}: not so after {seconds} seconds")
            time.sleep(pause)
        return found

    def wait_ready(self, seconds=60):
        self.wait(lambda: all(get(f"http://127.0.0.1:{self.http_port(name)}/readyz") is not None
                              for name in self.servers), "all servers become ready", seconds)

    def said(self, name, pattern, since=0):
        """The first line of a server after `since` that matches: (when, match), or None."""
        for when, line in list(self.servers[name].lines):
            match = re.search(pattern, line)
            if when >= since and match:
                return when, match
        return None

    # ---- State

    def metrics(self, name):
        text = get(f"http://127.0.0.1:{self.http_port(name)}/metrics")
        return parse_metrics(text.decode()) if text else {}

    def status(self, name):
        text = get(f"http://127.0.0.1:{self.http_port(name)}/v1/cluster")
        return json.loads(text) if text else {}

    def leader(self):
        """The leader as it sees itself, once exactly one does and the others agree."""
        def agreed():
            named = {self.status(name).get("leader") for name in self.servers}
            return named.pop() if len(named) == 1 and None not in named else None
        return self.wait(agreed, "one leader is known to all")

    def take_snapshots(self, names, seconds=300):
        """Has servers take a snapshot now, and waits until they have: a list of (begun, done)."""
        begun = time.monotonic()
        for name in names:
            self.signal(name, signal.SIGUSR1)

        def taken(name):
            said = self.said(name, "took a snapshot at log index", begun)
            if said is not None:
                return said
            # With nothing new since the last one there is none to take. Seldom asked: it disturbs what is measured.
            if time.monotonic() < looked[name] + 2:
                return None
            looked[name] = time.monotonic()
            seen = self.metrics(name)
            has_all = seen and seen["starling_snapshot_index"] >= seen["starling_proposals_applied_total"]
            return (time.monotonic(), "") if has_all else None
        looked = dict.fromkeys(names, begun)
        done = [self.wait(lambda: taken(name), f"server {name} takes a snapshot", seconds, pause=0.01)[0]
                for name in names]
        return begun, max(done)

    def memory(self):
        """By server: tuples, and resident bytes."""
        return {name: {"tuples": int(self.metrics(name)["starling_tuples"]), "bytes": resident_bytes(process.pid)}
                for name, process in self.servers.items()}

    # ---- Load

    def bench(self, arguments, names=NAMES):
        return [self.program, "bench", "write", *map(str, arguments), "--json", "--servers",
                ",".join(self.client_addresses(names)), "--client-file", f"{self.directory}/client.json", *self.curve]

    def load(self, count, first, size, sessions=512, connections=32, names=NAMES):
        """Writes so many tuples, each different from all others."""
        command = self.bench(["--sessions", sessions, "--connections", connections, "--requests", count, "--size", size,
                              "--number-from", first], names)
        watched = next(iter(self.servers))
        before = self.metrics(watched).get("starling_tuples", 0)
        progress = Progress(self.say, f"writing {count:,} tuples")

        def tick():
            progress.show((self.metrics(watched).get("starling_tuples", before) - before) / count)
        self.processes.run(command, 3600, tick=tick)
        progress.end()

    def start_load(self, path, sessions=64, connections=8, size=256, first=1 << 20, names=NAMES):
        """A load that goes on until it is stopped; its requests go to the file `path`."""
        command = self.bench(["--sessions", sessions, "--connections", connections, "--seconds", 86_400, "--size", size,
                              "--number-from", first, "--samples", path], names)
        return self.processes.start(command, path + ".log")


class Requests:
    """One connection to a server's HTTP door, made again until it answers."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def post(self, path, body, timeout=10):
        """Whether the answer was a success; False while nobody listens, or it was another."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            answer.read()
            return 200 <= answer.status < 300
        except (OSError, http.client.HTTPException):
            self.close()
            return False

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def parse_metrics(text):
    """Values of the metrics that have no labels."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in name:
            values[name] = float(value)
    return values


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Progress:
    """Says how far something is, on a terminal in place, else every ten seconds."""

    def __init__(self, say, what):
        self.say, self.what = say, what
        self.began = self.told = time.monotonic()

    def show(self, share):
        now = time.monotonic()
        if now - self.told >= 10:
            self.told = now
            self.say(f"{self.what}: {100 * min(1, max(0, share)):.0f} % after {now - self.began:.0f} s")

    def end(self):
        self.say(f"{self.what}: done in {time.monotonic() - self.began:.1f} s")
