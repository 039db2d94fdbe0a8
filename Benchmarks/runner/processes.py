"""The processes a benchmark starts. It ends all of them by their ids, also after Ctrl-C, and the kernel ends them
should the benchmark itself be killed."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from failure import Failure

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Processes:
    def __init__(self):
        self.running = []

    def start(self, command, log):
        """Starts a server whose output goes to the file `log`."""
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=die_with_parent)
        process.log = log
        self.running.append(process)
        return process

    def start_stamped(self, command, log):
        """Like `start`; `lines` of the process collects what it says: (seconds of `time.monotonic()`, line)."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True, preexec_fn=die_with_parent)
        process.log, process.lines = log, []

        def listen():
            with open(log, "a", encoding="utf-8") as file, process.stdout:
                for line in process.stdout:
                    process.lines.append((time.monotonic(), line.rstrip()))
                    file.write(line)
                    file.flush()
        threading.Thread(target=listen, daemon=True).start()
        self.running.append(process)
        return process

    def run(self, command, timeout, environment=None, directory=None, tick=None):
        """Runs a command to its end and returns its output; a failure carries what it said. `tick` is called each second."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=die_with_parent, cwd=directory,
            env={**os.environ, **(environment or {})})
        self.running.append(process)
        try:
            output, errors = communicate(process, timeout, tick)
        except subprocess.TimeoutExpired:
            raise Failure(f"{command[0]} was not done after {timeout:.0f} seconds")
        finally:
            self.stop([process])
        if process.returncode != 0:
            raise Failure(f"{' '.join(command)} exited {process.returncode}: {(errors or output).strip()[-2000:]}")
        return output

    def core_seconds(self):
        """The processor time of everything started here and of this process itself."""
        ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in ended) + sum(map(running_seconds, self.running))

    def stop(self, processes=None):
        """Ends the given processes, or all, politely at first."""
        ending = list(self.running if processes is None else processes)
        for process in ending:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + 5
        for process in ending:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.running.remove(process)


def communicate(process, timeout, tick):
    deadline = time.monotonic() + timeout
    while True:
        try:
            return process.communicate(timeout=timeout if tick is None else 1)
        except subprocess.TimeoutExpired:
            if tick is None or time.monotonic() > deadline:
                raise
            tick()


def running_seconds(process):
    """Processor time of a server that has not been waited for."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(holds, processes, what, seconds=30):
    """Asks until `holds()`; fails when time is up or one of the servers has ended."""
    deadline = time.monotonic() + seconds
    while not holds():
        for process in processes:
            if process.poll() is not None:
                raise Failure(f"{what}: a server exited {process.returncode}; it said: {tail(process.log)}")
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not so after {seconds} seconds; a server said: {tail(processes[0].log)}")
        time.sleep(0.1)


def tail(path, characters=1500):
    with open(path, "rb") as file:
        return file.read()[-characters:].decode(errors="replace").strip() or "nothing"


def http(url, body=None, timeout=2):
    """The body of a 200 answer, or None."""
    try:
        with urllib.request.urlopen(url, data=body, timeout=timeout) as answer:
            return answer.read() if answer.status == 200 else None
    except (urllib.error.URLError, OSError):
        return None


def free_ports(offsets, first=21000, last=29000, step=100):
    """A base such that base + offset is free on loopback for every offset. They lie below the ports that the kernel
    gives to outgoing connections, so no connection takes one before the server does."""
    for base in range(first + os.getpid() % 50 * step, last, step):
        if all(is_free(base + offset) for offset in offsets):
            return base
    raise Failure("no free ports on 127.0.0.1")


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
