"""The bare loop, which starts its own three processes for each run."""

import glob

PROGRAM = ".build/benchmarks/bare-loop"


class Bare:
    name = "bare"
    operations = ("write",)

    def __init__(self, options, processes, directory):
        self.options, self.processes, self.directory = options, processes, directory

    def build(self):
        sources = sorted(glob.glob("Benchmarks/bare-loop/*.c"))
        self.processes.run(
            ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", PROGRAM, *sources,
             "-lzmq", "-pthread"], 120)

    def versions(self):
        return {
            "libzmq": self.processes.run(["pkg-config", "--modversion", "libzmq"], 10).strip(),
            "bare loop": f"{self.processes.run(['cc', '--version'], 10).splitlines()[0]}, -O2; "
                         f"CURVE {self.options.curve}, zero-filled log {self.options.zero_filled}",
        }

    def start(self):
        pass

    def command(self, operation, window, requests):
        return [PROGRAM, "--sessions", str(window.sessions), "--connections", str(window.connections),
                "--requests", str(requests), "--size", str(self.options.size), "--json",
                "--curve" if self.options.curve == "yes" else "--no-curve",
                "--zero-filled", self.options.zero_filled, "--data", self.directory]
