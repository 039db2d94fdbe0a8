import unittest

import bars
import waiting


def page(*ratios, kind="takes"):
    runs = [{"kind": kind, "repeat": repeat, "waits": waits, "rate": 1_000.0 * (ratio if waits else 1), "p50_ms": 1.0, "p99_ms": 2.0,
             "others": 0.01} for repeat, ratio in enumerate(ratios) for waits in (True, False)]
    return {"title": "Waiting", "what": "t", "date": "2026-01-02", "command": "c", "machine": {"cores": "2"}, "versions": {},
            "window": "64 sessions, 8 connections", "size": 256, "waiting": 10_000, "runs": runs}


class Figures(unittest.TestCase):
    def test_the_ratio_is_the_median_of_the_pairs(self):
        values = waiting.summarize(page(0.2, 0.9, 1.0)["runs"])["takes"]
        self.assertEqual((values["ratio"], values["lowest"], values["highest"]), (0.9, 0.2, 1.0))
        self.assertEqual(values[False]["rate"], 1_000)

    def test_half_will_do_and_less_is_named(self):
        self.assertEqual(waiting.misses(page(0.5)), [])
        self.assertEqual(waiting.misses(page(0.4, kind="reads")), [
            "writes while 10,000 reads wait: 40 % of those while nobody does, 50 % is required"])

    def test_the_page_shows_both_sides(self):
        text = waiting.markdown(page(0.9), "x.svg")
        for part in ("10,000 takes", "1,000 → 900", "x.svg"):
            self.assertIn(part, text)


class Bars(unittest.TestCase):
    def test_each_row_has_a_bar_and_its_figure(self):
        image = bars.plot("Rates", "a second", [("one", "here", 1_234, 1_000, 2_000), ("one", "there", 2.5, 2, 3)])
        self.assertEqual(image.count('height="16"'), 2)
        for part in ("1,234", "2.5", "here", "there"):
            self.assertIn(f">{part}<", image)
