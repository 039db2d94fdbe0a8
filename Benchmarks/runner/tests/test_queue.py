import contextlib
import io
import unittest

import requirements
import work_queue
from matrix import Window


class Queue(unittest.TestCase):
    def test_workers_of_either_kind_are_measured(self):
        options = work_queue.parse(["--windows", "4x2", "--no-build"])
        self.assertEqual((options.only, options.operations), (("starling", "etcd", "etcd-spread"), ("queue",)))
        self.assertEqual(options.windows, (Window(4, 2),))
        self.assertEqual(work_queue.EtcdSpread(options, None, "d").claim, "spread")

    def test_unknown_options_are_refused(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            work_queue.parse(["--only", "etcd"])

    def test_ten_times_is_required_of_both(self):
        rows = [("queue", Window(64, 8), "etcd", 10.0), ("queue", Window(64, 8), "etcd-spread", 9.9)]
        self.assertEqual(requirements.misses("must", rows, ("queue",)),
                         ["queues at 64 sessions: starling / etcd-spread is 9.90, 10 is required"])
