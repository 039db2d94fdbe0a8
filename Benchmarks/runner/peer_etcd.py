"""Three etcd servers with default settings but for their names, ports and a quiet log."""

import json
import os

from processes import free_ports, http, wait_until

DRIVER = ".build/benchmarks/etcd-driver"
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


class Etcd:
    name = "etcd"
    operations = ("write", "read", "queue")
    claim = "recipe"

    def __init__(self, options, processes, directory):
        self.options, self.processes, self.directory = options, processes, directory

    def build(self):
        target = os.path.abspath(DRIVER)
        self.processes.run(["go", "build", "-o", target, "."], 600, GO, "Benchmarks/etcd-driver")

    def versions(self):
        etcd = self.processes.run(["etcd", "--version"], 10).splitlines()
        go = self.processes.run(["go", "version"], 10).split()[2]
        return {"etcd": etcd[0].split()[-1], "etcd driver": f"clientv3 of the same package, {go}"}

    def start(self):
        base = free_ports(range(6))
        peers = [f"http://127.0.0.1:{base + i}" for i in range(3)]
        self.addresses = [f"127.0.0.1:{base + 3 + i}" for i in range(3)]
        cluster = ",".join(f"n{i}={peer}" for i, peer in enumerate(peers))
        servers = [self.processes.start([
            "etcd", "--name", f"n{i}", "--data-dir", f"{self.directory}/n{i}",
            "--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
            "--listen-client-urls", f"http://{self.addresses[i]}",
            "--advertise-client-urls", f"http://{self.addresses[i]}",
            "--initial-cluster", cluster, "--initial-cluster-state", "new",
            "--logger", "zap", "--log-level", "error",
        ], f"{self.directory}/n{i}.log") for i in range(3)]
        wait_until(self.is_healthy, servers, "etcd becomes healthy")

    def is_healthy(self):
        answers = [http(f"http://{address}/health") for address in self.addresses]
        return all(answer and json.loads(answer).get("health") == "true" for answer in answers)

    def leader_first(self):
        """The addresses, the leader's first: a single connection then goes to the leader, as is best for etcd."""
        def is_leader(address):
            status = json.loads(http(f"http://{address}/v3/maintenance/status", b"{}") or b"{}")
            return "leader" in status and status["leader"] == status.get("header", {}).get("member_id")
        return sorted(self.addresses, key=lambda address: not is_leader(address))

    def command(self, operation, window, requests):
        return [DRIVER, "--op", operation, "--claim", self.claim, "--sessions", str(window.sessions), "--connections",
                str(window.connections), "--requests", str(requests), "--size", str(self.options.size), "--json",
                "--endpoints", ",".join(self.leader_first())]
