"""Hosts on this machine: a network namespace each, on one bridge. Cut, healed and removed."""

import os
import subprocess

PREFIX = f"starling{os.getpid() % 100_000}"
BRIDGE = f"sb{os.getpid() % 100_000}"


def run(*words, check=True):
    result = subprocess.run(words, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {result.stderr.strip() or result.stdout.strip()}")
    return result


class Network:
    """`with Network(["a", "b"]) as network`: host number i has the address 10.77.0.(i + 1)."""

    def __init__(self, hosts):
        self.hosts = list(hosts)

    def __enter__(self):
        try:
            # A bridge needs a namespace too, or its address would be this machine's.
            run("ip", "netns", "add", self.name("switch"))
            self.inside("switch", "ip", "link", "add", BRIDGE, "type", "bridge")
            self.inside("switch", "ip", "link", "set", BRIDGE, "up")
            for number, host in enumerate(self.hosts):
                self.add(host, number)
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in self.hosts + ["switch"]:
            run("ip", "netns", "delete", self.name(host), check=False)

    def add(self, host, number):
        run("ip", "netns", "add", self.name(host))
        near, far = f"v{number}", f"w{number}"
        self.inside("switch", "ip", "link", "add", near, "type", "veth", "peer", "name", far)
        self.inside("switch", "ip", "link", "set", far, "netns", self.name(host))
        self.inside("switch", "ip", "link", "set", near, "master", BRIDGE)
        self.inside("switch", "ip", "link", "set", near, "up")
        self.inside(host, "ip", "address", "add", f"{self.address(host)}/24", "dev", far)
        self.inside(host, "ip", "link", "set", far, "up")
        self.inside(host, "ip", "link", "set", "lo", "up")

    def name(self, host):
        return f"{PREFIX}-{host}"

    def address(self, host):
        return f"10.77.0.{self.hosts.index(host) + 1}"

    def words(self, host, words):
        """The command that runs `words` at a host."""
        return ["ip", "netns", "exec", self.name(host), *words]

    def inside(self, host, *words, check=True):
        return run(*self.words(host, words), check=check)

    def cut(self, sender, receiver):
        """What `sender` sends to `receiver` is lost from now on; not the other way round."""
        self.inside(receiver, "iptables", "-A", "INPUT", "-s", self.address(sender), "-j", "DROP")

    def heal(self):
        for host in self.hosts:
            self.inside(host, "iptables", "-F", "INPUT", check=False)
