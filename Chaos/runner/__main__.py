"""script/chaos: maltreats a real cluster while clients use it, and says whether they saw anything that must not be."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import faults
from network import Network
from servers import GUEST, Servers

NAMES = ["a", "b", "c"]


def options():
    parser = argparse.ArgumentParser(
        prog="script/chaos", description=__doc__,
        epilog="Needs root, for network namespaces and small disks. A run is not repeated exactly by its seed: the faults are, in "
        "their order, and the processes go their own ways.")
    parser.add_argument("--seconds", type=float, default=600, help="of maltreatment; 600 unless given")
    parser.add_argument("--seed", type=int, help="of the faults' order")
    parser.add_argument("--program", default=".build/release/starling", help="the starling to test")
    parser.add_argument("--clients", default=".build/release/chaos-clients", help="the clients' program")
    parser.add_argument("--transport", choices=("zeromq", "http"), default="zeromq", help="between the servers")
    parser.add_argument("--keep", action="store_true", help="keep logs and history, which are kept anyway if something is wrong")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


class Run:
    def __init__(self, chosen, servers, directory):
        self.chosen, self.servers, self.directory = chosen, servers, directory
        self.random = random.Random(chosen.seed)
        self.count = 0

    def clients(self):
        words = self.servers.network.words("clients", [
            os.path.abspath(self.chosen.clients), "load", "--client-file", self.servers.client_file, "--seconds",
            str(self.chosen.seconds), "--history", os.path.join(self.directory, "history.jsonl")])
        errors = open(os.path.join(self.directory, "clients.log"), "wb")
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)

    def maltreat(self, began, clients):
        """One fault after another, mended before the next, until the time is up."""
        order = []
        while time.monotonic() - began < self.chosen.seconds - 6:
            if clients.poll() is not None:
                raise RuntimeError(f"the clients ended early; see {self.directory}/clients.log")
            if not order:
                order = list(faults.ALL)
                self.random.shuffle(order)
            fault = order.pop()(self.servers, self.random)
            text = fault.begin()
            self.count += 1
            say(f"{time.monotonic() - began:6.1f} s  {text}")
            time.sleep(fault.lasts)
            fault.end()
            time.sleep(self.random.uniform(0.5, 2.5))
            self.servers.check()


def play(chosen, network, directory):
    servers = Servers(os.path.abspath(chosen.program), network, NAMES, directory, say, chosen.transport)
    try:
        servers.prepare()
        for name in NAMES:
            servers.start(name)
        say(f"three servers are ready after {servers.wait_ready():.1f} s; seed {chosen.seed}")
        run = Run(chosen, servers, directory)
        clients = run.clients()
        began = time.monotonic()
        try:
            run.maltreat(began, clients)
            say(f"{time.monotonic() - began:6.1f} s  no more faults; all are to be well again")
            healed = servers.wait_ready()
            say(f"{time.monotonic() - began:6.1f} s  all follow one leader, {healed:.1f} s later; the clients come to their end")
            output, _ = clients.communicate(timeout=chosen.seconds + 180)
        finally:
            if clients.poll() is None:
                clients.kill()
                clients.wait()
        servers.check()
        return run.count, json.loads(output), servers.unexpected
    finally:
        servers.close()


def main():
    chosen = options()
    # Asked to end, it mends and removes everything too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("script/chaos: asked to end by a signal"))
    if os.geteuid() != 0:
        sys.exit("script/chaos: network namespaces and small disks need root: say sudo script/chaos")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1 << 32)
    directory = tempfile.mkdtemp(prefix="starling-chaos-")
    isGood = False
    try:
        with Network(NAMES + [GUEST, "clients"]) as network:
            count, result, unexpected = play(chosen, network, directory)
        verdict = result["verdict"]
        violations = verdict["violations"] + unexpected
        for violation in violations:
            say(f"VIOLATION: {violation}")
        if verdict["undecided"]:
            say(f"{verdict['undecided']} of {verdict['spaces']} spaces were too tangled to be judged")
        isGood = not violations and verdict["operations"] > 0 and verdict["undecided"] * 20 <= verdict["spaces"]
        say(f"chaos: {count} faults, {verdict['operations']:,} operations and {result['jobs']:,} jobs, {len(violations)} violations, "
            f"longest time without service {verdict['longestGap']:.2f} s, from {verdict['gapBegan']:.1f} s on")
    finally:
        if isGood and not chosen.keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            say(f"logs and history are in {directory}; seed {chosen.seed}")
    sys.exit(0 if isGood else 1)


main()
