import os
import tempfile
import unittest
import xml.etree.ElementTree
from types import SimpleNamespace

import report
from failure import Failure
from matrix import Matrix, Window
from peer_starling import Starling
from processes import Processes

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_starling.py")


class Run(unittest.TestCase):
    """A whole run against a program that only speaks Starling's command line."""

    def setUp(self):
        self.processes, self.temporary = Processes(), tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.addCleanup(self.processes.stop)
        self.options = SimpleNamespace(
            starling=FAKE, build=False, curve="yes", operations=("write", "read"), windows=(Window(2, 1), Window(8, 4)),
            repeats=3, requests=None, seconds=1, limit=1, size=256)

    def peer(self):
        return Starling(self.options, self.processes, self.temporary.name)

    def test_three_servers_are_started_driven_and_ended(self):
        peer = self.peer()
        peer.build()
        peer.start()
        servers = list(self.processes.running)
        matrix = Matrix(self.options, [peer], self.processes, lambda text: None)
        matrix.measure()
        self.processes.stop()
        self.assertEqual(len(servers), 3)
        self.assertTrue(all(server.poll() is not None for server in servers))
        self.assertEqual([(run["operation"], run["sessions"], run["rate"]) for run in matrix.runs],
                         3 * [("write", 2, 2000), ("write", 8, 8000), ("read", 2, 2000), ("read", 8, 8000)])

    def test_a_server_that_ends_is_a_failure_that_says_why(self):
        peer = self.peer()
        self.processes.run = lambda command, timeout: ""  # no plan is made
        with self.assertRaisesRegex(Failure, "no plan"):
            peer.start()

    def test_a_missing_program_is_named(self):
        self.options.starling = "nowhere/starling"
        with self.assertRaisesRegex(Failure, "nowhere/starling is not there"):
            self.peer().build()

    def test_without_encryption_servers_and_clients_are_told(self):
        self.options.curve = "no"
        peer = self.peer()
        peer.build()
        peer.start()
        self.assertIn("--no-curve", peer.command("write", Window(2, 1), 10))
        self.assertTrue(all("--no-curve" in server.args for server in self.processes.running))


class Page(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)

    def write(self, others=0.0):
        runs = [{"operation": operation, "sessions": 64, "connections": 8, "system": system, "repeat": 0, "requests": 1,
                 "errors": 0, "rate": rate, "p50_ms": 1.5, "p99_ms": 2.5, "others": others}
                for operation, system, rate in (("write", "starling", 900.0), ("write", "etcd", 300.0),
                                                ("read", "starling", 70.0))]
        run = {"title": "Writes <and> reads", "what": "test", "date": "2026-01-02", "command": "script/bench",
               "machine": {"cores": "2"}, "versions": {}, "size": 256, "repeats": 1, "length": "1 s", "runs": runs}
        return report.write(run, self.temporary.name)

    def test_the_page_has_rates_ratios_and_a_warning(self):
        with open(self.write(others=0.11), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("| write, 64 sessions, 8 connections | etcd | 300 | 300–300 | 1.50 | 2.50 | 11 % |", text)
        self.assertIn("| write, 64 sessions | starling / etcd | 3.00 | 3 | 5 | 7 |", text)
        self.assertIn("Something else used the machine", text)

    def test_a_run_on_an_idle_machine_carries_no_warning(self):
        with open(self.write(others=0.09), encoding="utf-8") as file:
            self.assertNotIn("Something else", file.read())

    def test_the_plot_is_well_formed(self):
        tree = xml.etree.ElementTree.parse(self.write().replace(".md", ".svg"))
        bars = [rect for rect in tree.iter("{http://www.w3.org/2000/svg}rect")]
        self.assertEqual(len(bars), 1 + 2 + 3)  # ground, legend, bars

    def test_a_second_page_of_a_day_does_not_replace_the_first(self):
        self.assertNotEqual(self.write(), self.write())


if __name__ == "__main__":
    unittest.main()
