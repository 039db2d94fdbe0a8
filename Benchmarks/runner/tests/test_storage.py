import os
import tempfile
import unittest
import xml.etree.ElementTree

import storage_catch_up
import storage_options
import storage_plot
import storage_report
import storage_restart
import storage_snapshot
from cluster import parse_metrics
from samples import Samples


def restart(kind, seconds):
    return {"kind": kind, "repeat": 0, "seconds": seconds,
            "phases": storage_restart.split({"begun": 0.01, "open": 0.7, "led": 0.9}, {"log": 0.1, "snapshot": 0.4},
                                            seconds)}


def window(rate, p99):
    return {"requests": 9, "seconds": 1.0, "rate": rate, "p50_ms": 1.0, "p99_ms": p99, "max_ms": 2 * p99}


def snapshot(who, ratio):
    return {"repeat": 0, "who": who, "before": window(900.0, 4.0), "during": window(600.0, 4.0 * ratio), "ratio": ratio}


def catch_up(way, ratio):
    return {"repeat": 0, "way": way, "behind": 1_000_000, "seconds": 12.5, "before": window(1000.0, 5.0),
            "during": window(1000.0 * ratio, 8.0), "after": window(900.0, 5.0), "again": window(900.0, 5.0),
            "usual": 950.0, "ratio": ratio,
            "worst": 0.5, "series": {"from": -8.0, "step": 0.5, "rates": [1000] * 40}}


def page(**changes):
    results = {
        "restart": [restart(kind, seconds) for kind, seconds in
                    (("one", 1.9), ("one", 1.0), ("one", 1.2), ("all", 1.99), ("one cold", 3.0), ("all cold", 3.5))],
        "snapshot": [snapshot("leader", 2.0), snapshot("all", 3.0)],
        "catch-up": [catch_up("log", 0.71), catch_up("snapshot", 0.9)],
        "prepared": {"away": "b", "had": 3, "entries": 1_000_000, "commands": 1_400_000, "seconds": 200.0},
        "simulator": {"seeds": 10, "events": 1, "events_per_second": 100_000.0},
        "memory": {"a": {"tuples": 1_000_000, "bytes": 1 << 30}}, **changes}
    return {"title": "Large <states>", "what": "test", "date": "2026-01-02", "command": "script/bench storage",
            "machine": {"cores": "2"}, "versions": {}, "others": 0.0, "tuples": 1_000_000, "trailing": 100_000,
            "entries": 1_000_000, "size": 256, "results": results}


class Phases(unittest.TestCase):
    def test_the_phases_of_a_restart_add_up_to_all_of_it(self):
        phases = storage_restart.split({"begun": 0.01, "open": 0.7, "led": 0.9}, {"log": 0.1, "snapshot": 0.4}, 1.2)
        self.assertAlmostEqual(sum(phases.values()), 1.2)
        self.assertAlmostEqual(phases["doors"], 0.19)
        self.assertAlmostEqual(phases["replay"], 0.3)

    def test_a_server_that_hears_of_no_leader_before_the_end_has_no_election(self):
        phases = storage_restart.split({"begun": 0.01, "open": 0.5, "led": 9.0}, {"log": 0.1}, 1.0)
        self.assertAlmostEqual(sum(phases.values()), 1.0)
        self.assertEqual((phases["snapshot"], phases["election"], phases["replay"]), (0, 0.5, 0))


class Comparisons(unittest.TestCase):
    def test_a_snapshot_is_compared_with_the_seconds_just_before_it(self):
        times = [int((i / 100) * 1e9) for i in range(2000)]
        latencies = [50_000_000 if t < 4e9 else 3_000_000 if t < 10e9 else 6_000_000 for t in times]
        compared = storage_snapshot.compare(Samples(times, latencies), 10.0, 12.0)
        self.assertEqual((compared["before"]["requests"], compared["during"]["requests"], compared["ratio"]), (600,
                                                                                                               200, 2))

    def test_a_catch_up_is_compared_with_what_three_usually_do_without_the_drift(self):
        times = []
        for begin, end, rate in ((0, 20, 400), (20, 25, 50), (25, 42, 100), (42, 62, 100)):
            times += [int((begin + i / rate) * 1e9) for i in range((end - begin) * rate)]
        compared = storage_catch_up.compare(Samples(times, [1] * len(times)), 20.0, 25.0, 41.0)
        # Two servers do a quarter of what they did; three do 100 afterwards, so 200 in between.
        self.assertAlmostEqual(compared["usual"], 200, delta=1)
        self.assertAlmostEqual(compared["ratio"], 50 / 200, delta=0.01)
        self.assertAlmostEqual(compared["worst"], 50 / 200, delta=0.01)

    def test_medians_are_taken_by_kind(self):
        summary = storage_restart.summarize(page()["results"]["restart"])
        self.assertEqual((summary["one"]["seconds"], summary["one"]["lowest"], summary["one"]["highest"]), (1.2, 1.0,
                                                                                                            1.9))
        self.assertEqual(list(summary), ["one", "all", "one cold", "all cold"])


class Figures(unittest.TestCase):
    def test_exactly_what_is_asked_will_do(self):
        self.assertEqual(storage_report.misses(page()), [])

    def test_each_figure_that_is_missed_is_named(self):
        missed = storage_report.misses(page(
            restart=[restart("one", 2.0), restart("all", 1.0)], snapshot=[snapshot("leader", 2.01)],
            simulator={"seeds": 1, "events": 1, "events_per_second": 99_999.0},
            **{"catch-up": [catch_up("log", 0.7), catch_up("snapshot", 0.9)]}))
        self.assertEqual(len(missed), 4)
        self.assertIn("restart with 1,000,000 tuples: one server, until it serves a linearizable read: 2.00 s, under "
                      "2 s is required",
                      missed)

    def test_what_was_not_measured_is_left_out(self):
        one = page()
        one["results"] = {"simulator": one["results"]["simulator"]}
        self.assertEqual(len(storage_report.figures(one)), 1)
        self.assertNotIn("Restart", storage_report.markdown(one,
            "x.svg").split("## Machine")[0].replace("Restarts, and", ""))


class Page(unittest.TestCase):
    def test_the_page_its_plot_and_the_results_are_written(self):
        with tempfile.TemporaryDirectory() as directory:
            path = storage_report.write(page(), directory)
            self.assertEqual(sorted(os.listdir(directory)), ["2026-01-02-test.json", "2026-01-02-test.md",
                                                             "2026-01-02-test.svg"])
            with open(path, encoding="utf-8") as file:
                text = file.read()
            xml.etree.ElementTree.parse(path.replace(".md", ".svg"))
        self.assertIn("| writes while a server 1,000,000 entries behind catches up by log | 71 % | above 70 % | yes |",
                      text)
        self.assertIn("| the leader alone | 1.00 | 4.00 | 8.00 | 2.00 |", text)

    def test_a_disturbed_run_carries_a_warning(self):
        self.assertNotIn("Something else", storage_report.markdown(page(), "x.svg"))
        self.assertIn("Something else used 20 %", storage_report.markdown({**page(), "others": 0.2}, "x.svg"))

    def test_ticks_are_round_and_within(self):
        self.assertEqual(storage_plot.ticks(-8.0, 17.5), [-5, 0, 5, 10, 15])
        self.assertEqual(storage_plot.ticks(-2.0, 3.0), [-2, -1, 0, 1, 2, 3])


class Metrics(unittest.TestCase):
    def test_values_without_labels_are_read(self):
        text = '# HELP a b\nstarling_tuples 12\nsync_bucket{le="0.1"} 3\nx 1.5e3\n'
        self.assertEqual(parse_metrics(text), {"starling_tuples": 12.0, "x": 1500.0})


class Options(unittest.TestCase):
    def test_quick_is_small_and_not_kept(self):
        options = storage_options.parse(["--quick", "--entries", "7"])
        self.assertEqual((options.entries, options.tuples, options.out), (7, 50_000, ".build/benchmarks/reports"))


if __name__ == "__main__":
    unittest.main()
