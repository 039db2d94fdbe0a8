import unittest
import xml.etree.ElementTree

import paired
from paired_plot import plot


def run(system, repeat, rate, sessions=1):
    return {"operation": "write", "sessions": sessions, "connections": 1, "system": system, "repeat": repeat,
            "requests": 10,
            "errors": 0, "rate": rate, "p50_ms": 1.0, "p99_ms": 2.0, "others": 0.0}


class Ratios(unittest.TestCase):
    def test_the_median_of_the_pairs_ratios_counts_and_not_the_ratio_of_the_medians(self):
        pairs = [(100.0, 90.0), (200.0, 210.0), (50.0, 50.0)]
        runs = [run(system, repeat, rate) for repeat, pair in enumerate(pairs) for system, rate in zip(paired.SYSTEMS,
                                                                                                       pair)]
        values = paired.summarize(runs)["write", 1]
        self.assertEqual((values["ratio"], values["lowest"], values["highest"]), (1.0, 0.9, 1.05))
        self.assertEqual((values["before"]["rate"], values["after"]["rate"]), (100.0, 90.0))

    def test_the_order_of_a_pair_does_not_matter(self):
        runs = [run("after", 0, 80.0), run("before", 0, 100.0)]
        self.assertEqual(paired.summarize(runs)["write", 1]["ratio"], 0.8)

    def test_the_page_and_its_plot_are_whole(self):
        runs = [run(system, repeat, 100.0 + repeat) for repeat in range(2) for system in paired.SYSTEMS]
        page = {"title": "Before <and> after", "systems": paired.SYSTEMS, "date": "2026-01-02", "repeats": 2, "seconds": 5.0, "size": 256,
                "machine": {},
                "versions": {"before": "1"}, "command": "x", "runs": runs}
        self.assertIn("| write, 1 session | 1.000 | 1.000–1.000 | 100 | 100 |", paired.markdown(page, "x.svg"))
        tree = xml.etree.ElementTree.fromstring(plot(page, paired.summarize(runs)))
        self.assertEqual(len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))), 2)

    def test_two_programs_are_asked_for(self):
        with self.assertRaises(SystemExit):
            paired.parse([])
        self.assertEqual(paired.parse(["--before", "x"]).repeats, 5)

    def test_transports_are_compared_by_their_names(self):
        options = paired.parse_transports(["--program", "x"])
        self.assertEqual((options.zeromq, options.http, options.systems), ("x", "x", ("zeromq", "http")))
        runs = [run("zeromq", 0, 100.0), run("http", 0, 70.0)]
        self.assertEqual(paired.summarize(runs, options.systems)["write", 1]["ratio"], 0.7)
        page = {"title": "T", "systems": options.systems, "date": "2026-01-02", "repeats": 1, "seconds": 5.0, "size": 256,
                "machine": {}, "versions": {}, "command": "x", "runs": runs}
        self.assertIn("| http / zeromq |", paired.markdown(page, "x.svg").replace("load | ", "| ", 1))
        self.assertIn("rate http / rate zeromq", plot(page, paired.summarize(runs, options.systems)))


if __name__ == "__main__":
    unittest.main()
