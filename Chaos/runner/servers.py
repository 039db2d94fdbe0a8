"""The servers under test: real processes, each at a host and on a disk of its own, with a wall clock that can be moved."""

import glob
import json
import os
import shutil
import signal
import subprocess
import time

from network import run

DISK_BYTES = 768 << 20
# A server that no plan knows: it joins, and is removed again.
GUEST = "d"


def find_faketime():
    found = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError("libfaketime is missing: script/bootstrap chaos installs it")
    return found[0]


class Disk:
    """A small file system in a file."""

    def __init__(self, directory, name, say):
        self.image, self.place = os.path.join(directory, f"{name}.img"), os.path.join(directory, f"disk-{name}")
        os.makedirs(self.place)
        with open(self.image, "wb") as file:
            file.truncate(DISK_BYTES)
        run("mkfs.ext4", "-q", "-m", "0", self.image)
        if run("mount", "-o", "loop", self.image, self.place, check=False).returncode != 0:
            say(f"there is no loop device for the disk of {name}: it is in memory, where a sync costs nothing")
            run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.place)

    def fill(self):
        with open(os.path.join(self.place, "filler"), "wb") as file:
            size = 64 << 20
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
                except OSError:
                    size //= 2

    def empty(self):
        try:
            os.unlink(os.path.join(self.place, "filler"))
        except FileNotFoundError:
            pass

    def close(self):
        run("umount", "-l", self.place, check=False)


class Servers:
    def __init__(self, program, network, names, directory, say, transport="zeromq"):
        self.program, self.network, self.names, self.directory, self.say = program, network, names, directory, say
        self.transport = transport
        self.processes, self.disks, self.unexpected = {}, {}, []
        self.faketime = find_faketime()

    def prepare(self):
        plan = ",".join(f"{name}={self.network.address(name)}:7440" for name in self.names)
        run(self.program, "cluster", "plan", "--servers", plan, "--out", self.path("plan"))
        if self.transport == "http":
            run(self.program, "cert", "authority", "--out", self.path("plan"))
            self.make_certificates([self.path("plan", f"{name}.plan.json") for name in self.names])
        for name in [*self.names, GUEST]:
            self.disks[name] = Disk(self.directory, name, self.say)
            self.set_clock(name, 0)

    def make_certificates(self, plans):
        run(self.program, "cert", "node", "--authority", self.path("plan"), "--plan", *plans)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def client_file(self):
        return self.path("plan", "client.json")

    def start(self, name):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STARLING_")}
        environment |= {"LD_PRELOAD": self.faketime, "FAKETIME_TIMESTAMP_FILE": self.path(f"clock-{name}"),
                        "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "XDG_CONFIG_HOME": self.directory}
        address = self.network.address(name)
        origin = ["--plan", self.path("plan", f"{name}.plan.json")] if name != GUEST else [
            "--join", ",".join(self.client_addresses()), "--client-file", self.client_file, "--peer", f"{address}:7440",
            "--client", f"{address}:7460", "--http", f"{address}:7480"]
        words = self.network.words(name, [
            self.program, "serve", "--name", name, "--data", self.data(name), *origin, "--open", "--snapshot-entries", "5000",
            "--segment-mebibytes", "1", "--transport", self.transport])
        if name == GUEST and self.transport == "http" and not os.path.exists(plan := f"{self.data(name)}/plan.json"):
            # At first it makes its key, and says that it has no certificate.
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, env=environment)
            self.make_certificates([plan])
        with open(self.path(f"{name}.log"), "ab") as log:
            self.processes[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)

    def data(self, name):
        return os.path.join(self.disks[name].place, "data")

    def client_addresses(self):
        return [f"{self.network.address(name)}:7460" for name in self.names]

    def starling(self, *words):
        """Runs a command of the operator's; what went wrong is noted."""
        result = self.network.inside(
            "clients", self.program, *words, "--client-file", self.client_file, "--operator-file",
            self.path("plan", "operator.json"), check=False)
        if result.returncode != 0:
            self.unexpected.append(f"starling {' '.join(words)} exited with {result.returncode}: {result.stderr.strip()}")
        return result.returncode == 0

    def end_removed(self, name):
        """A server that was removed ends by itself and says so; its disk is wiped."""
        process = self.processes.pop(name)
        try:
            code = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code != 6:
            self.unexpected.append(f"server {name} was removed, and ended with {code}")
        shutil.rmtree(self.data(name))

    def set_clock(self, name, seconds):
        """Moves the wall clock that a server sees, for good; its monotonic clock goes on evenly."""
        temporary = self.path(f"clock-{name}.new")
        with open(temporary, "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.replace(temporary, self.path(f"clock-{name}"))

    def signal(self, name, number):
        # `ip netns exec` becomes the program, so that the process is the server.
        self.processes[name].send_signal(number)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name):
        process = self.processes.pop(name)
        process.terminate()
        try:
            code = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.unexpected.append(f"server {name} did not end within 15 s of SIGTERM")
            return
        if code != 0:
            self.unexpected.append(f"server {name}, asked to end, exited with {code}")

    def check(self):
        """Notes who ended though nobody asked, and starts it again."""
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is None:
                continue
            with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as log:
                last = log.readlines()[-1:]
            self.unexpected.append(f"server {name} ended by itself with {code}: {''.join(last).strip()}")
            self.start(name)

    def status(self, name):
        """GET /v1/cluster of a server; None if it does not answer."""
        words = ["curl", "-s", "-m", "2", f"http://{self.network.address(name)}:7480/v1/cluster"]
        result = self.network.inside("clients", *words, check=False)
        try:
            return json.loads(result.stdout)
        except ValueError:
            return None

    def leader(self):
        for name in self.names:
            status = self.status(name) if name in self.processes else None
            if status and status["leader"] == name:
                return name
        return None

    def wait_ready(self, seconds=60):
        """Until all follow one leader and none trails; how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            statuses = [self.status(name) for name in self.names]
            if all(statuses) and len({status["leader"] for status in statuses}) == 1 and statuses[0]["leader"]:
                own = [next(m for m in status["members"] if m["name"] == status["server"]) for status in statuses]
                if max(m["commit_index"] for m in own) - min(m["applied_index"] for m in own) <= 50:
                    return time.monotonic() - began
            time.sleep(0.1)
            self.check()
        raise RuntimeError(f"the servers are not ready after {seconds} s; the logs are in {self.directory}")

    def close(self):
        for name, process in self.processes.items():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        for disk in self.disks.values():
            disk.close()
