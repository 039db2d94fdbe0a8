import json
import unittest
from types import SimpleNamespace

from failure import Failure
from matrix import Cell, Matrix, Window, cells, parse_result, ratios, summarize

ONE, MANY = Window(1, 1), Window(512, 32)


def peer(name, *operations):
    return SimpleNamespace(name=name, operations=operations)


def run(system, rate, window=ONE, repeat=0, operation="write"):
    return {"operation": operation, "sessions": window.sessions, "connections": window.connections, "system": system,
            "repeat": repeat, "requests": 10, "errors": 0, "rate": rate, "p50_ms": 1.0, "p99_ms": 2.0, "others": 0.0}


class Order(unittest.TestCase):
    def test_systems_take_turns_within_each_load(self):
        order = cells(("write", "read"), (ONE, MANY), [peer("starling", "write", "read"), peer("bare", "write")])
        self.assertEqual([(c.operation, c.window.sessions, c.system) for c in order], [
            ("write", 1, "starling"), ("write", 1, "bare"), ("write", 512, "starling"), ("write", 512, "bare"),
            ("read", 1, "starling"), ("read", 512, "starling")])


class Results(unittest.TestCase):
    cell = Cell("write", ONE, "etcd")

    def text(self, **changes):
        return json.dumps({**run("etcd", 5.0), **changes})

    def test_a_result_keeps_the_agreed_keys_only(self):
        self.assertEqual(set(parse_result(self.text(extra=1), self.cell)),
                         {"operation", "sessions", "requests", "errors", "rate", "p50_ms", "p99_ms"})

    def test_what_is_no_result_is_a_failure(self):
        for text in ("", "no", "[]", '{"rate": 1}', self.text(errors=1), self.text(requests=0), self.text(rate=0),
                     self.text(sessions=2), self.text(operation="read")):
            with self.subTest(text), self.assertRaises(Failure):
                parse_result(text, self.cell)


class Summary(unittest.TestCase):
    def test_the_median_of_the_repetitions_counts(self):
        summary = summarize([run("etcd", rate, repeat=i) for i, rate in enumerate((30, 10, 11))])
        values = summary[Cell("write", ONE, "etcd")]
        self.assertEqual((values["rate"], values["lowest"], values["highest"]), (11, 10, 30))

    def test_ratios_are_taken_within_a_load_only(self):
        summary = summarize([run("starling", 30), run("etcd", 10), run("bare", 60), run("etcd", 1, MANY),
                             run("etcd", 5, operation="read")])
        self.assertEqual(ratios(summary), [("write", ONE, "etcd", 3), ("write", ONE, "bare", 0.5)])


class Limit(unittest.TestCase):
    def matrix(self, limit):
        options = SimpleNamespace(operations=("write",), windows=(ONE,), repeats=2, requests=5, seconds=1, limit=limit)
        done = peer("etcd", "write")
        done.command = lambda *arguments: ["driver"]
        processes = SimpleNamespace(
            run=lambda command, timeout: json.dumps(run("etcd", 5.0)), core_seconds=lambda: 0)
        return Matrix(options, [done], processes, lambda text: None)

    def test_all_repetitions_are_made_in_time(self):
        matrix = self.matrix(limit=1)
        matrix.measure()
        self.assertEqual((matrix.repeats, len(matrix.runs)), (2, 2))

    def test_a_run_without_one_repetition_in_time_fails(self):
        with self.assertRaises(Failure):
            self.matrix(limit=-1).measure()


if __name__ == "__main__":
    unittest.main()
