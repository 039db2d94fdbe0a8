"""Three Starling servers, as an operator would start them."""

import os

from failure import Failure
from processes import free_ports, http, wait_until

NAMES = ("a", "b", "c")
CLIENT_OFFSET, HTTP_OFFSET = 20, 40  # from a server's peer port, as in the defaults 7440, 7460, 7480


class Starling:
    name = "starling"
    operations = ("write", "read", "queue")

    def __init__(self, options, processes, directory):
        self.options, self.processes, self.directory = options, processes, directory
        self.program = options.starling
        self.curve = ["--no-curve"] if options.curve == "no" else []
        self.transport = "zeromq"

    def build(self):
        if self.options.build:
            self.processes.run(["swift", "build", "-c", "release", "--product", "starling"], 3600)
        if not os.access(self.program, os.X_OK):
            raise Failure(f"{self.program} is not there: build it, or measure the others with --only etcd,bare")

    def versions(self):
        swift = self.processes.run(["swift", "--version"], 60).splitlines()
        return {
            "starling": self.processes.run(["git", "describe", "--always", "--dirty"], 10).strip(),
            "Swift": next((line for line in swift if "Swift version" in line), "unknown"),
        }

    def start(self):
        self.client_addresses, self.client_file = start_starling(
            self.program, self.processes, self.directory, self.curve, self.transport)

    def command(self, operation, window, requests):
        return [self.program, "bench", operation, "--sessions", str(window.sessions), "--connections",
                str(window.connections), "--requests", str(requests), "--size", str(self.options.size), "--json",
                "--servers", ",".join(self.client_addresses), "--client-file", self.client_file, *self.curve]


# ---- start_starling: the one place that knows how a Starling cluster is started -------------------------------------
def start_starling(program, processes, directory, curve, transport="zeromq"):
    """Plans and starts three servers, waits until each is ready, and returns their client addresses and client file."""
    base = free_ports([offset + i for offset in (0, CLIENT_OFFSET, HTTP_OFFSET) for i in range(len(NAMES))])
    peers = [f"127.0.0.1:{base + i}" for i in range(len(NAMES))]
    clients = [f"127.0.0.1:{base + CLIENT_OFFSET + i}" for i in range(len(NAMES))]
    https = [f"127.0.0.1:{base + HTTP_OFFSET + i}" for i in range(len(NAMES))]
    plan = ",".join(f"{name}={peer}" for name, peer in zip(NAMES, peers))
    processes.run([program, "cluster", "plan", "--servers", plan, "--out", directory], 30)
    if transport == "http":
        processes.run([program, "cert", "authority", "--out", directory], 30)
        processes.run([program, "cert", "node", "--authority", directory, "--plan",
                       *(f"{directory}/{name}.plan.json" for name in NAMES)], 30)
    flags = [*curve, *(["--transport", transport] if transport != "zeromq" else [])]
    servers = [processes.start([
        program, "serve", "--data", f"{directory}/{name}", "--name", name, "--plan", f"{directory}/{name}.plan.json",
        "--peer", peer, "--client", client, "--http", web, *flags,
    ], f"{directory}/{name}.log") for name, peer, client, web in zip(NAMES, peers, clients, https)]
    wait_until(lambda: all(http(f"http://{web}/readyz") is not None for web in https), servers,
               "starling becomes ready")
    return clients, f"{directory}/client.json"
# ---------------------------------------------------------------------------------------------------------------------
