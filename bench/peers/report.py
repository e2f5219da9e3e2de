"""From the figures to the page."""

import pathlib
from statistics import median


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def ratios(figures, who):
    """How many times longer somebody took in each round."""
    mine = figures["milliseconds"]["tester-worker"]
    return [theirs / mine[number] for number, theirs in figures["milliseconds"][who].items()]


def latency(name, figures):
    lines = [f"### `{name}`, one client, {figures['cpus']} CPU", "", "| who | p50 ms | p95 ms | times ours (median of ratios) |", "|---|---|---|---|"]
    for who, values in sorted(figures["milliseconds"].items(), key=lambda item: median(item[1].values())):
        values = list(values.values())
        ratio = "" if who == "tester-worker" else f"{median(ratios(figures, who)):.1f}"
        lines.append(f"| {who} | {median(values):.1f} | {percentile(values, 0.95):.1f} | {ratio} |")
    for who, error in figures["failed"].items():
        lines.append(f"| {who} | does not work here: {error.splitlines()[0][:120]} | | |")
    return lines + [""]


def goals(figures):
    """What was to be reached, and what was."""
    rows = []

    def row(what, goal, value, form, met):
        rows.append(f"| {what} | {goal} | {form.format(value)} | {'yes' if met else '**no**'} |")

    old = "old design (docker-py)"
    if "print" in figures:
        value = median(ratios(figures["print"], old))
        row("`print(1)`, one client, publish to verified result, against the old design's call", "≥ 25 times less", value, "{:.1f} times", value >= 25)
        tail = figures["print"]["tail_milliseconds"]
        value = percentile(tail, 0.99) / median(tail)
        row(f"the same alone, p99 over p50 ({len(tail)} jobs, p50 {median(tail):.1f} ms)", "≤ 4", value, "{:.1f}", value <= 4)
    if "pytest" in figures:
        value = median(ratios(figures["pytest"], old))
        row("two-test pytest, one client, one CPU, against the old design", "≥ 12 times less", value, "{:.1f} times", value >= 12)
    if "print" in figures:
        value = median(figures["print"]["overhead_milliseconds"])
        row("overhead of the whole road (`total_seconds` less `run_seconds`), p50", "≤ 3 ms", value, "{:.2f} ms", value <= 3)
    rates = figures.get("rates")
    if rates:
        value = median(mine / engine for mine, engine in zip(rates["single_use"], rates["engine"]))
        row("sustained single-use jobs/s against the Engine's bare create-start-remove rate", "≥ 0.9", value, "{:.2f}", value >= 0.9)
        value = median(rates["cases"])
        row("50-case `print` job, cases/s on two cores", "≥ 120", value, "{:.0f}", value >= 120)
        if rates["reused"]:
            value = median(reused / single for reused, single in zip(rates["reused"], rates["single_use"]))
            row("`print(1)` jobs/s with reuse, two cores, against single use", "≥ 12 times", value, "{:.1f} times", value >= 12)
    if "no_op" in figures:
        value = median(mine / theirs for mine, theirs in zip(figures["no_op"]["tester-worker"], figures["no_op"]["celery"]))
        row("no-op pipeline against Celery with results, same broker, quorum queues", "≥ 5 times", value, "{:.1f} times", value >= 5)
    if "idle" in figures:
        value = max(idle["rss_mib"] for idle in figures["idle"].values())
        row("worker memory, idle with a pool of 4", "≤ 20 MB", value, "{:.1f} MiB", value <= 19.07)
    if rates:
        value = max(rates["rss_mib"])
        row("worker memory under full load", "≤ 40 MB", value, "{:.1f} MiB", value <= 38.1)
    return ["| what | goal | measured | met |", "|---|---|---|---|", *rows, ""]


PREFACE = """# Performance

Written by `bench/peers/run`, which runs the same programs by tester-worker and by its peers on one machine and in the same
image. Latencies are taken one call after another in an order that changes each round, and nothing is being made while somebody is
measured; ratios are medians over the rounds, each with its own call of everybody. Our calls are those of a client in
Python over RabbitMQ, from before the signature to the verified result: the job through a quorum queue, the result through the
client's own queue, as `submit` has it; `isolation: fresh`, `preload = ["json"]`, or `["pytest"]` for the suite. The peers have no
queue, no signature and, but for the old design and `docker run`, other limits.
What a container's life costs is in [performance-pool.md](performance-pool.md). `tester-worker bench` measures a fleet of yours.
"""


def page(document):
    figures, versions = document["figures"], document["versions"]
    of = "; ".join(f"{name} {value}" for name, value in versions.items() if not isinstance(value, list))
    lines = [PREFACE, "## Report", "", f"{document['at']}, commit {document['commit']}. {of}; {', '.join(versions['peers'])}.", ""]
    lines += goals(figures)
    for name in ("print", "pytest"):
        if name in figures:
            lines += latency(name, figures[name])
    if "rates" in figures:
        lines += ["### Rates", "", "| what | each round |", "|---|---|"]
        names = {"engine": "Engine: create, start, remove, two at a time (/s)", "single_use": "single use, four clients, two slots (jobs/s)",
                 "reused": "reused sandboxes, four clients, two slots (jobs/s)", "cases": "50-case jobs, two clients (cases/s)"}
        lines += [f"| {text} | {', '.join(f'{value:.1f}' for value in figures['rates'][name])} |" for name, text in names.items()]
        lines.append("")
    if "no_op" in figures:
        lines += ["### No-op", "", "| what | jobs/s, each round |", "|---|---|"]
        lines += [f"| {who} | {', '.join(f'{value:.0f}' for value in values)} |" for who, values in figures["no_op"].items()]
        lines.append("")
    if "pool" in figures:
        lines += ["### An idle pool", "", "Proportional set sizes in MiB; CPU of the worker, the shims and everything in the sandboxes.", "",
                  "| warm sandboxes with pytest | worker | shims | inside | CPU seconds in 10 s |", "|---|---|---|---|---|"]
        lines += [f"| {cost['sandboxes']} | {cost['worker_mib']:.1f} | {cost['shims_mib']:.1f} | {cost['inside_mib']:.1f} | "
                  f"{cost['cpu_seconds']:.2f} |" for cost in figures["pool"]]
        lines.append("")
    if "idle" in figures:
        for name, idle in figures["idle"].items():
            lines.append(f"Idle with a pool of 4 (`{name}`): {idle['rss_mib']:.1f} MiB, {idle['cpu_seconds_in_10_s']:.2f} CPU seconds in 10 s.")
        lines.append("")
    notes = pathlib.Path(__file__).with_name("notes.md").read_text()
    return "\n".join(lines) + notes
