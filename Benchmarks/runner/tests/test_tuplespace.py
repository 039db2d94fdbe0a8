import unittest

import tuplespace


def page(empty=100_000.0, among=90_000.0, rinda=(1_000.0, 10.0), waiters=1.1, memory=300.0):
    starling = {0: empty, 10_000: 95_000.0, 1_000_000: among}
    pairs = [{"repeat": repeat, "system": "starling", "resident": resident, "rate": rate}
             for repeat in range(3) for resident, rate in starling.items()]
    pairs += [{"repeat": repeat, "system": tuplespace.ENCODING, "resident": 0, "rate": 7_777.0} for repeat in range(3)]
    pairs += [{"repeat": repeat, "system": "rinda", "resident": resident, "rate": rate}
              for repeat in range(3) for resident, rate in zip((0, 10_000, 100_000), (*rinda, 1.0))]
    return {"title": "Pairs", "what": "t", "date": "2026-01-02", "command": "c", "machine": {"cores": "2"}, "versions": {},
            "others": 0.0, "results": {
                "pairs": pairs, "memory": [memory] * 3,
                "waiters": [{"ratio": waiters, "write_among_waiters": 900.0, "write_among_none": 800.0}] * 3}}


class Figures(unittest.TestCase):
    def test_exactly_what_is_asked_will_do(self):
        exact = page(empty=10_000.0, among=10_000 / 3, rinda=(1_000.0, 19.0), waiters=1.2, memory=400.0)
        self.assertEqual(tuplespace.misses(exact), [])

    def test_each_figure_that_is_missed_is_named(self):
        missed = tuplespace.misses(page(empty=9_000.0, among=2_000.0, rinda=(1_000.0, 20.0), waiters=1.21, memory=401.0))
        self.assertEqual(len(missed), 5)

    def test_a_ratio_is_of_runs_of_one_repetition(self):
        self.assertEqual(tuplespace.ratio([10, 400, 30], [1, 2, 3]), 10)

    def test_page_and_plot_show_every_load(self):
        text = tuplespace.markdown(page(), "x.svg")
        for part in ("1,000,000", "| rinda | 100,000 | 1 |", "| starling, with encoding | 0 | 7,777 |", "yes", "x.svg"):
            self.assertIn(part, text)
        self.assertIn("90 % of the machine", tuplespace.markdown({**page(), "others": 0.9}, "x.svg"))
