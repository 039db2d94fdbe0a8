import unittest

from matrix import Window
from requirements import misses

WINDOWS = (Window(1, 1), Window(64, 8), Window(512, 32))


def rows(etcd, bare):
    return [("write", window, other, ratio)
            for other, values in (("etcd", etcd), ("bare", bare)) for window, ratio in zip(WINDOWS, values)]


class Requirements(unittest.TestCase):
    def test_exactly_the_thresholds_will_do(self):
        self.assertEqual(misses("base", rows((1, 3, 5), (0.2, 0.2, 0.2))), [])

    def test_each_ratio_below_its_threshold_is_named(self):
        sentences = misses("base", rows((1, 2.99, 5), (0.2, 0.2, 0.19)))
        self.assertEqual(sentences, ["writes at 64 sessions: starling / etcd is 2.99, 3 is required",
                                     "writes at 512 sessions: starling / bare is 0.19, 0.2 is required"])

    def test_what_was_not_measured_is_not_met(self):
        self.assertEqual(misses("must", rows((1, 5, 8), (0.7, 0.7, 0.3))),
                         ["reads at 512 sessions: starling / etcd was not measured, 8 is required"])


if __name__ == "__main__":
    unittest.main()
