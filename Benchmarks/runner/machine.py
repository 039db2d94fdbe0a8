"""What a reader must know of the machine to judge the figures."""

import os
import platform
import time


def describe(directory, busy):
    """Rows of name and value. The systems write to the disk of `directory`; `busy` is a reading of `BusyShare`."""
    return {
        "cores": str(os.cpu_count()),
        "processor": cpu_model(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": operating_system(),
        "file system": file_system(directory),
        "disk": f"append of 256 bytes + fdatasync: {sync_microseconds(directory):.0f} µs (median of 200)",
        "busy before the run": f"{100 * busy:.0f} % of all cores",
    }


def cpu_model():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def operating_system():
    with open("/etc/os-release") as file:
        values = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    return values.get("PRETTY_NAME", "unknown").strip('"')


def file_system(directory):
    """The type of the file system `directory` is on: the longest mount point that is a prefix of its path."""
    path = os.path.realpath(directory)
    best = ("", "unknown")
    with open("/proc/mounts") as file:
        for line in file:
            _, point, kind = line.split()[:3]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def sync_microseconds(directory, count=200):
    path = os.path.join(directory, "sync-probe")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    times = []
    for _ in range(count):
        start = time.perf_counter()
        os.write(file, b"x" * 256)
        os.fdatasync(file)
        times.append(time.perf_counter() - start)
    os.close(file)
    os.unlink(path)
    return sorted(times)[count // 2] * 1e6


def core_seconds():
    """The seconds of all cores together since the start of the machine, and those of them in which a core was neither
    idle nor waiting for a disk. What a hypervisor withheld counts as busy."""
    with open("/proc/stat") as file:
        values = [int(value) / os.sysconf("SC_CLK_TCK") for value in file.readline().split()[1:9]]
    return sum(values), sum(values) - values[3] - values[4]


class BusyShare:
    """The share of all cores that others than this benchmark used since this was made. `own` tells the seconds that
    the benchmark has used itself."""

    def __init__(self, own=lambda: 0):
        self.own = own
        self.start = (*core_seconds(), own())

    def read(self):
        total, busy, own = (now - start for now, start in zip((*core_seconds(), self.own()), self.start))
        return min(1, max(0, (busy - own) / max(total, 1e-9)))
