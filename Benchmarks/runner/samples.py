"""What `starling bench --samples` wrote: every request of a load, by the time it was done."""

import array
import bisect
import math
import os


class Samples:
    """Times are seconds of CLOCK_MONOTONIC, which is Python's `time.monotonic()`."""

    def __init__(self, times, latencies):
        """Times ascend, in nanoseconds, as do the requests."""
        self.times, self.latencies = times, latencies

    @classmethod
    def read(cls, path):
        """What has been written so far: whole records only, the load may be going on."""
        numbers = array.array("Q")
        with open(path, "rb") as file:
            numbers.fromfile(file, os.fstat(file.fileno()).st_size // 16 * 2)
        return cls(numbers[0::2], numbers[1::2])

    def window(self, start, end):
        """Rate, median and p99 of the requests done from `start` up to `end`."""
        first, last = (bisect.bisect_left(self.times, int(seconds * 1e9)) for seconds in (start, end))
        latencies = sorted(self.latencies[first:last])
        if not latencies:
            return {"requests": 0, "seconds": end - start, "rate": 0.0, "p50_ms": None, "p99_ms": None, "max_ms": None}
        return {"requests": len(latencies), "seconds": end - start, "rate": len(latencies) / (end - start),
                "p50_ms": percentile(latencies, 0.5) / 1e6, "p99_ms": percentile(latencies, 0.99) / 1e6,
                "max_ms": latencies[-1] / 1e6}

    def rates(self, start, end, step):
        """The rate in each interval of `step` seconds that lies wholly within."""
        edges = [start + step * i for i in range(int((end - start) / step + 1e-9) + 1)]
        places = [bisect.bisect_left(self.times, int(edge * 1e9)) for edge in edges]
        return [(after - before) / step for before, after in zip(places, places[1:])]


def percentile(ascending, fraction):
    """By nearest rank: the smallest value that `fraction` of all do not exceed."""
    return ascending[max(0, math.ceil(fraction * len(ascending)) - 1)]
