import unittest

import failover
import failover_plot
from failover import Writes


def writes(*ends):
    """Each takes a hundredth of a second."""
    return Writes([(end, end - 0.01) for end in ends], [])


def page(kills=(0.5,) * 50, transfers=(0.01,) * 50, restarts=(0.05,), failed=0):
    def events(seconds):
        return [{"seconds": value, "failed": failed} for value in seconds]
    return {"title": "Failover", "what": "t", "date": "2026-01-02", "command": "c", "machine": {"cores": "2"}, "versions": {},
            "writes": 9, "results": {"kill": events(kills), "transfer": events(transfers), "restart": events(restarts)}}


class Events(unittest.TestCase):
    def test_a_pause_is_found_though_it_began_before(self):
        seen = writes(1, 2, 2.1, 2.2, 5, 5.1, 9)
        self.assertAlmostEqual(seen.pause(2.15, 5.05), 2.8)
        self.assertAlmostEqual(seen.pause(3, 4), 2.8)
        self.assertAlmostEqual(seen.pause(2.05, 2.15), 0.1)

    def test_failed_writes_count_for_the_event_they_began_in(self):
        seen = Writes([(1, 0.9)], [4.5, 7.0, 20.0])
        self.assertEqual((seen.failures(5, 7), seen.failures(10, 12)), (2, 0))


class Figures(unittest.TestCase):
    def test_exactly_what_is_asked_will_do(self):
        self.assertEqual(failover.misses(page(kills=(0.5,) * 49 + (1.5,), transfers=(0.049,) * 49 + (0.3,))), [])

    def test_each_figure_that_is_missed_is_named(self):
        missed = failover.misses(page(kills=(1.6, 1.1) + (0.5,) * 48, transfers=(0.05,) * 2 + (0.01,) * 48,
                                      restarts=(0.05, 0.1), failed=1))
        self.assertEqual(len(missed), 6)

    def test_page_and_plot_show_every_kind(self):
        text = failover.markdown(page(), "x.svg")
        for part in ("kill -9 of the leader", "planned transfer", "rolling restart", "49 of 50", "x.svg"):
            self.assertIn(part, text)
        image = failover_plot.plot(page())
        self.assertEqual(image.count("<circle"), 101)
