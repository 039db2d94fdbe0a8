import sys
import tempfile
import time
import unittest

import machine
from processes import Processes

BURN = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"]


class Share(unittest.TestCase):
    def test_what_the_benchmark_uses_itself_is_not_others(self):
        processes = Processes()
        before = processes.core_seconds()
        processes.run(BURN, 30)
        self.assertGreater(processes.core_seconds() - before, 0.4)

    def test_a_running_server_counts_before_it_ends(self):
        processes = Processes()
        self.addCleanup(processes.stop)
        with tempfile.NamedTemporaryFile() as log:
            before = processes.core_seconds()
            processes.start([sys.executable, "-c", "while True: pass"], log.name)
            deadline = time.monotonic() + 30  # On a busy machine it takes a while to get a tenth of a second.
            while processes.core_seconds() - before <= 0.1 and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertGreater(processes.core_seconds() - before, 0.1)

    def test_the_share_of_others_is_never_below_nothing(self):
        own = iter((0, 1e9))
        self.assertEqual(machine.BusyShare(lambda: next(own)).read(), 0)

    def test_what_another_process_uses_is_others(self):
        share = machine.BusyShare(lambda: 0)
        Processes().run(BURN, 30)
        self.assertGreater(share.read(), 0)


class FileSystem(unittest.TestCase):
    def test_the_mount_point_nearest_to_a_path_counts(self):
        self.assertEqual(machine.file_system("/proc/self"), "proc")


if __name__ == "__main__":
    unittest.main()
