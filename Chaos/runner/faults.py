"""What can go wrong, each begun, lived with for a while, and ended."""

import signal
import time

from servers import GUEST


class Fault:
    """One misfortune: `begin` does it, `end` mends it."""

    def __init__(self, servers, random):
        self.servers, self.random, self.network = servers, random, servers.network
        self.lasts = random.uniform(0.5, 3.5)

    def any(self, count=1):
        return self.random.sample(self.servers.names, count)

    def leader_or_any(self):
        return self.servers.leader() or self.any()[0]


class Kill(Fault):
    def begin(self):
        self.name = self.any()[0]
        self.servers.kill(self.name)
        return f"kill -9 of {self.name}"

    def end(self):
        self.servers.start(self.name)


class KillLeader(Kill):
    def begin(self):
        self.name = self.leader_or_any()
        self.servers.kill(self.name)
        return f"kill -9 of the leader, {self.name}"


class KillMajority(Fault):
    def begin(self):
        self.names = self.any(len(self.servers.names) // 2 + 1)
        self.lasts = min(self.lasts, 1.5)
        for name in self.names:
            self.servers.kill(name)
        return f"kill -9 of a majority, {' and '.join(self.names)}"

    def end(self):
        for name in self.names:
            self.servers.start(name)


class Restart(Fault):
    def begin(self):
        self.name = self.leader_or_any() if self.random.random() < 0.5 else self.any()[0]
        self.lasts = 0.2
        self.servers.stop(self.name)
        return f"an orderly restart of {self.name}"

    def end(self):
        self.servers.start(self.name)


class Pause(Fault):
    def begin(self):
        self.name = self.leader_or_any() if self.random.random() < 0.5 else self.any()[0]
        self.servers.signal(self.name, signal.SIGSTOP)
        return f"a pause of {self.name}"

    def end(self):
        self.servers.signal(self.name, signal.SIGCONT)


class Stutter(Fault):
    """Delay, as far as it can be had without the kernel's emulator: a server runs in slices of some milliseconds."""

    def begin(self):
        self.name = self.any()[0]
        began = time.monotonic()
        while time.monotonic() - began < self.lasts:
            self.servers.signal(self.name, signal.SIGSTOP)
            time.sleep(self.random.uniform(0.02, 0.12))
            self.servers.signal(self.name, signal.SIGCONT)
            time.sleep(self.random.uniform(0.01, 0.05))
        self.lasts = 0
        return f"delays of {self.name}"

    def end(self):
        pass


class Isolate(Fault):
    def begin(self):
        name = self.leader_or_any() if self.random.random() < 0.6 else self.any()[0]
        with_clients = self.random.random() < 0.5
        for other in self.servers.names + ([] if with_clients else ["clients"]):
            if other != name:
                self.network.cut(name, other)
                self.network.cut(other, name)
        return f"a partition: {name} {'with clients' if with_clients else 'alone'}"

    def end(self):
        self.network.heal()


class OneWay(Fault):
    def begin(self):
        sender, receiver = self.any(2)
        self.network.cut(sender, receiver)
        return f"a one-way cut: nothing comes from {sender} to {receiver}"

    def end(self):
        self.network.heal()


class Bridge(Fault):
    """Two servers cannot reach one another, and both reach the third."""

    def begin(self):
        one, other = self.any(2)
        self.network.cut(one, other)
        self.network.cut(other, one)
        return f"a partial partition: {one} and {other} do not reach one another"

    def end(self):
        self.network.heal()


class FullDisk(Fault):
    def begin(self):
        self.name = self.leader_or_any() if self.random.random() < 0.5 else self.any()[0]
        self.lasts = self.random.uniform(4, 7)
        self.servers.disks[self.name].fill()
        return f"a full disk at {self.name}"

    def end(self):
        self.servers.disks[self.name].empty()


class ClockJump(Fault):
    def begin(self):
        self.name = self.leader_or_any() if self.random.random() < 0.6 else self.any()[0]
        hours = self.random.choice([-3600, 3600, 86_400])
        self.servers.set_clock(self.name, hours)
        return f"a jump of the wall clock of {self.name} by {hours:+d} s"

    def end(self):
        self.servers.set_clock(self.name, 0)


class Transfer(Fault):
    def begin(self):
        self.lasts = 0
        self.servers.wait_ready()
        self.servers.starling("cluster", "transfer")
        return "no fault, but a planned transfer of leadership"

    def end(self):
        pass


class Guest(Fault):
    """The members change: one joins, becomes a voter, and is removed again."""

    def begin(self):
        self.servers.wait_ready()
        self.servers.start(GUEST)
        self.servers.starling("cluster", "add", GUEST, "--yes", "--wait", "60")
        return f"no fault, but a fourth server: {GUEST} joins, and is removed afterwards"

    def end(self):
        self.servers.starling("cluster", "remove", GUEST)
        self.servers.end_removed(GUEST)


ALL = [Kill, KillLeader, KillLeader, KillMajority, Restart, Pause, Pause, Stutter, Isolate, Isolate, OneWay, Bridge, FullDisk,
       ClockJump, Transfer, Guest]
