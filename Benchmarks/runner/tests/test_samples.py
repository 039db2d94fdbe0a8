import array
import os
import tempfile
import unittest

from samples import Samples, percentile


class Percentiles(unittest.TestCase):
    def test_the_nearest_rank_counts(self):
        self.assertEqual(percentile(range(1, 101), 0.99), 99)
        self.assertEqual(percentile(range(1, 102), 0.99), 100)
        self.assertEqual(percentile([7], 0.99), 7)
        self.assertEqual(percentile([1, 2], 0.5), 1)


class Windows(unittest.TestCase):
    # A request each tenth of a second from 1.0 s, slow from 2.0 s on.
    samples = Samples([1_000_000_000 + 100_000_000 * i for i in range(20)], [2_000_000] * 10 + [9_000_000] * 10)

    def test_a_window_has_its_start_and_not_its_end(self):
        window = self.samples.window(1.0, 2.0)
        self.assertEqual((window["requests"], window["rate"], window["p99_ms"], window["max_ms"]), (10, 10, 2, 2))
        window = self.samples.window(1.5, 2.5)
        self.assertEqual((window["requests"], window["p50_ms"], window["p99_ms"]), (10, 2, 9))

    def test_a_window_in_which_nothing_was_done_has_no_latency(self):
        window = self.samples.window(5.0, 6.0)
        self.assertEqual((window["requests"], window["rate"], window["p99_ms"]), (0, 0, None))

    def test_rates_are_of_whole_steps_only(self):
        self.assertEqual(self.samples.rates(1.0, 2.2, 0.5), [10, 10])
        self.assertEqual(self.samples.rates(2.5, 3.5, 0.5), [10, 0])

    def test_half_a_record_at_the_end_of_the_file_is_left(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "samples")
            with open(path, "wb") as file:
                array.array("Q", [10, 1, 20, 2, 30]).tofile(file)
            samples = Samples.read(path)
        self.assertEqual((list(samples.times), list(samples.latencies)), ([10, 20], [1, 2]))


if __name__ == "__main__":
    unittest.main()
