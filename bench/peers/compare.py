"""Runs the same programs by tester-worker and by its peers, alternating, and writes what they took. Called by `run`."""

import argparse
import datetime
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import ours
import peers
import pool
import programs
import report

SANDBOX = """
[profiles.{name}]
image = "tester-sandbox"
entry = {entry}
argv = {argv}
warm = {warm}
preload = {preload}
uses_per_sandbox = {uses}
limits = {{ cpus = {cpus}, wall_seconds = 30, cpu_seconds = 30 }}
report = "{kind}"
env = {{ PYTHONDONTWRITEBYTECODE = "1" }}
"""


def profile(name, cpus, warm, uses=1):
    suite = name.startswith("suite")
    return SANDBOX.format(
        name=name, cpus=cpus, warm=warm, uses=uses, kind="pytest" if suite else "none",
        entry='""' if suite else '"main.py"', preload='["pytest"]' if suite else '["json"]',
        argv='["python3", "/tester/pytest_driver.py"]' if suite else '["python3", "{entry}"]')


def configuration(slots, *profiles):
    built_in = "".join(f"[profiles.{name}]\nenabled = false\nwarm = 0\n" for name in ("python", "pytest"))
    return f"[worker]\nslots = {slots}\n[pool]\ncreate_parallel_max = 2\n" + built_in + "".join(profiles)


# More than the old design by far.
SLOW_SECONDS = 3


class Run:
    """One comparison."""

    def __init__(self, options, folder):
        self.options, self.folder, self.figures = options, folder, {}

    def worker(self, slots, *profiles):
        worker = ours.Worker(self.options.binary, self.options.amqp_url, self.folder, configuration(slots, *profiles))
        worker.ready()
        return worker

    def say(self, text):
        print(f"==> {text}", file=sys.stderr, flush=True)

    def latency(self, name, cpus, rounds):
        """One call each in every round, in an order that changes; nothing is being made while somebody is measured."""
        place = "suite" if name == "pytest" else "program"
        others = [peers.OldDesign(cpus), peers.DockerRun(cpus), peers.Epicbox(cpus), peers.LlmSandbox(cpus),
                  peers.Bubblewrap(cpus, self.folder)]
        with self.worker(1, profile(place, cpus, 4)) as worker:
            self.figures[name] = {"cpus": cpus, **self.alternate(worker, name, place, others, rounds)}
            worker.stop()

    def alternate(self, worker, name, place, others, rounds):
        client = ours.Client(self.options.amqp_url)
        taken, failed, results, slow = {}, {}, [], set()

        def took(call):
            worker.warm(place, 4)
            began = time.perf_counter()
            call()
            return time.perf_counter() - began

        calls = {other.name: lambda other=other: other.run(name) for other in others}
        calls["tester-worker"] = lambda: results.append(client.run(name, place))
        for number in range(rounds + 1):
            order = list(calls)
            random.Random(number).shuffle(order)
            for who in order:
                # One that takes seconds a call is asked in every fourth round only.
                if who in slow and number % 4 != 0:
                    continue
                try:
                    seconds = took(calls[who])
                except Exception as error:
                    # A peer that does not work here is told of; without ours there is nothing to tell.
                    if who == "tester-worker" or number > 0:
                        raise
                    failed[who] = f"{type(error).__name__}: {error}"
                    del calls[who]
                    continue
                # The first round makes connections and fills caches.
                slow.update({who} if seconds > SLOW_SECONDS else ())
                if number > 0:
                    taken.setdefault(who, {})[number] = 1000 * seconds
            self.say(f"{name}: round {number} of {rounds}")
        overheads = [ours.overhead_ms(result) for result in results[1:]]
        worker.warm(place, 4)
        idle = worker.memory_mib()
        before = worker.cpu_seconds()
        time.sleep(10)
        self.figures.setdefault("idle", {})[name] = {"rss_mib": idle, "cpu_seconds_in_10_s": worker.cpu_seconds() - before}
        # Ours alone, for its tail.
        tail = [1000 * took(calls["tester-worker"]) for _ in range(self.options.tail)]
        client.close()
        return {"milliseconds": taken, "failed": failed, "overhead_milliseconds": overheads, "tail_milliseconds": tail,
                "timings": results[-1]["timings"]}

    def rates(self, rounds, seconds):
        """Sustained single use against the Engine's own rate; reuse against single use; the memory under that load."""
        profiles = [profile("program", 1, 4), profile("reused", 1, 2, uses=1000)]
        with self.worker(2, *profiles) as worker:
            self.figures["rates"] = self.every_rate(worker, rounds, seconds)
            worker.stop()

    def every_rate(self, worker, rounds, seconds):
        url = self.options.amqp_url
        found = {"engine": [], "single_use": [], "reused": [], "cases": [], "rss_mib": []}
        loads = {
            "engine": lambda: peers.engine_rate(2, seconds),
            "single_use": lambda: ours.throughput(url, 4, seconds, lambda client: client.run("print", "program")),
            # Cases of one job: its sandbox is used for all of them, and for no other job.
            "cases": lambda: programs.CASES * ours.throughput(
                url, 2, seconds, lambda client: client.run("print", "program", programs.CASES)),
            "reused": lambda: ours.throughput(url, 4, seconds, lambda client: client.run("print", "reused")),
        }
        for number in range(rounds):
            for what, load in loads.items():
                worker.warm("program", 4)
                found[what].append(load())
                found["rss_mib"].append(worker.memory_mib())
            self.say(f"rates: round {number + 1} of {rounds}")
        return found

    def pool(self, sizes, seconds):
        """An idle worker with so many sandboxes of the suite's profile, whose interpreter is the largest."""
        costs = []
        for size in sizes:
            with self.worker(1, profile("suite", 1, size)) as worker:
                worker.warm("suite", size)
                containers = peers.docker.from_env().containers.list(filters={"label": f"tester-worker.id={worker.name}"})
                costs.append(pool.cost(worker, containers, seconds))
                worker.stop()
            self.say(f"pool: {size}")
        self.figures["pool"] = costs

    def no_op(self, rounds, jobs):
        """Nothing, by Celery and by our pipeline."""
        from noop import app, nothing

        command = [sys.executable, "-m", "celery", "-A", "noop", "worker", "-c", "2", "-l", "error", "-P", "prefork"]
        celery = subprocess.Popen(command, cwd=pathlib.Path(__file__).parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = {"celery": [], "tester-worker": []}
        try:
            nothing.delay("x").get(timeout=60)
            for number in range(rounds):
                began = time.monotonic()
                waiting = [nothing.delay("x") for _ in range(jobs)]
                for result in waiting:
                    result.get(timeout=60)
                found["celery"].append(jobs / (time.monotonic() - began))
                found["tester-worker"].append(self.our_no_op(jobs))
                self.say(f"no-op: round {number + 1} of {rounds}")
        finally:
            celery.terminate()
            celery.wait(30)
            with app.connection() as connection:
                connection.default_channel.queue_delete("measured.celery")
        self.figures["no_op"] = found

    def our_no_op(self, jobs):
        """The worker's broker side and pipeline with nothing to run, under eight clients, both in the process of `bench`."""
        return ours.bench(self.options.binary, self.options.amqp_url, self.folder, "no-op", 8, jobs)

    def document(self):
        return {"at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "commit": self.options.commit, "versions": {**peers.versions(), "python": sys.version.split()[0],
                "rabbitmq": self.options.rabbitmq, "peers": self.options.requirements}, "figures": self.figures}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("binary", "amqp-url", "commit", "rabbitmq", "json", "markdown"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--tail", type=int, default=100)
    parser.add_argument("--only", default="print,pytest,rates,no_op,pool")
    options = parser.parse_args()
    requirements = pathlib.Path(__file__).with_name("requirements.txt").read_text().split()
    options.requirements = [line for line in requirements if line.startswith(("docker", "epicbox", "llm", "celery"))]
    # So that the worker and the folder go in any case.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tester-peers-") as folder:
        run = Run(options, folder)
        phases = {"print": lambda: run.latency("print", 0.5, options.rounds),
                  "pytest": lambda: run.latency("pytest", 1, options.rounds), "rates": lambda: run.rates(3, options.seconds),
                  "no_op": lambda: run.no_op(5, 300), "pool": lambda: run.pool((0, 1, 2, 3, 4), 10)}
        for name in options.only.split(","):
            phases[name]()
            # After each: what was measured is kept, whatever comes.
            document = run.document()
            pathlib.Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
            pathlib.Path(options.markdown).write_text(report.page(document))


if __name__ == "__main__":
    main()
