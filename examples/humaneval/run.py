#!/usr/bin/env python3
"""Sends HumanEval's 164 problems through the queue as signed jobs, many at once, and checks every verdict.

    run.py [HumanEval.jsonl.gz]            the canonical solutions: all must end `ok`
    run.py --empty [HumanEval.jsonl.gz]    each body replaced by `pass`: all must end `runtime_error`

Keys and broker come from the variables that ../backend/README.md lists. Exit status 0 only if every problem had a
verified result with the expected status.
"""
import argparse
import collections
import gzip
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# A reply queue of its own, so that this run and another backend do not take each other's results.
os.environ.setdefault("BACKEND_ID", "humaneval")
sys.path.insert(0, str(HERE.parent / "backend"))
import backend  # noqa: E402
import jwt  # noqa: E402


def program(problem, empty):
    """The problem's function with its tests, as HumanEval means them to be run."""
    body = "    pass\n" if empty else problem["canonical_solution"]
    return f"{problem['prompt']}{body}\n{problem['test']}\ncheck({problem['entry_point']})\n".encode()


class Run:
    """What was sent and what came back."""

    def __init__(self, problems, empty):
        self.problems = collections.deque(problems)
        self.empty = empty
        self.waiting = {}  # jti -> (task id, the job's bytes)
        self.results = {}  # task id -> result, verified
        self.refused = []  # messages that did not verify
        self.repeated = 0

    def send_next(self, channel):
        problem = self.problems.popleft()
        claims = backend.job([("main.py", program(problem, self.empty))], entry="main.py")
        body = backend.sign(claims)
        self.waiting[claims["jti"]] = (problem["task_id"], body)
        backend.publish(channel, body, claims["jti"])

    def receive(self, jti, answer):
        """True if `answer` is the first verified result of a job of this run."""
        if jti not in self.waiting:
            return False
        task, body = self.waiting[jti]
        if task in self.results:
            self.repeated += 1
            return False
        try:
            self.results[task] = backend.verify(answer, jti, body)
        except (jwt.InvalidTokenError, KeyError) as error:
            self.refused.append(f"{task}: {error}")
            return False
        return True


def go(run, in_flight, patience_seconds):
    """Keeps `in_flight` jobs under way until each has its result; gives up when nothing comes for a while."""
    channel = backend.connect()
    # Start from an empty queue: what is left there belongs to a run that nobody waits for any more.
    channel.queue_purge(backend.REPLY_TO)
    total = len(run.problems)
    while run.problems and len(run.waiting) < in_flight:
        run.send_next(channel)
    for method, properties, answer in channel.consume(backend.REPLY_TO, inactivity_timeout=patience_seconds):
        if method is None:
            break
        if run.receive(properties.message_id, answer) and run.problems:
            run.send_next(channel)
        channel.basic_ack(method.delivery_tag)
        if sys.stderr.isatty():
            print(f"\r{len(run.results)} of {total}", end="", file=sys.stderr)
        if len(run.results) == total:
            break
    if sys.stderr.isatty():
        print(file=sys.stderr)
    channel.cancel()
    channel.connection.close()


def report(run, total, seconds, expected):
    statuses = collections.Counter(result["status"] for result in run.results.values())
    print(f"{'status':<16}{'jobs':>5}")
    for status, count in sorted(statuses.items()):
        print(f"{status:<16}{count:>5}")
    print(f"results whose signature was verified: {len(run.results)} of {total}")
    print(f"messages refused: {len(run.refused)}, repeated results: {run.repeated}")
    print(f"wall time {seconds:.2f} s, {len(run.results) / seconds:.1f} jobs/s")
    for line in run.refused:
        print(f"refused: {line}")
    for task, result in run.results.items():
        if result["status"] != expected:
            detail = result["message"] or (result["stderr"] or {}).get("text", "").strip().rsplit("\n", 1)[-1]
            print(f"unexpected: {task}: {result['status']} {result['reason'] or ''} {detail}")
    good = statuses[expected] == total and not run.refused
    print(f"all {total} `{expected}`: {'yes' if good else 'NO'}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=pathlib.Path, default=HERE / "data" / "HumanEval.jsonl.gz")
    parser.add_argument("--empty", action="store_true", help="replace each body by `pass`")
    parser.add_argument("--in-flight", type=int, default=64, metavar="N", help="jobs under way at once (64)")
    parser.add_argument("--patience", type=int, default=120, metavar="SECONDS", help="give up when no result comes (120)")
    options = parser.parse_args()
    with gzip.open(options.data, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    what, expected = ("empty bodies", "runtime_error") if options.empty else ("canonical solutions", "ok")
    print(f"{len(problems)} problems, {what}, {options.in_flight} in flight")
    run = Run(problems, options.empty)
    began = time.monotonic()
    go(run, options.in_flight, options.patience)
    return 0 if report(run, len(problems), time.monotonic() - began, expected) else 1


if __name__ == "__main__":
    sys.exit(main())
