"""Prints what scripts/demo got back, one line a job. Exits with 1 if a job did not end as it should."""
import base64
import collections
import json
import pathlib
import sys

RESULTS = pathlib.Path("/results")
HEAD = ("JOB", "STATUS", "WHY", "WALL", "CPU", "MEMORY", "OUTPUT")


def output(result):
    kept = result["stdout"] or {}
    if "text" in kept:
        lines = kept["text"].strip().splitlines()
    else:
        lines = [repr(base64.b64decode(kept.get("base64", "")))[1:].strip("'")]
    text = lines[-1].strip("= ") if lines else ""
    return text if len(text) <= 44 else text[:43] + "…"


def why(result):
    if result["tests"]:
        outcomes = collections.Counter(test["outcome"] for test in result["tests"])
        return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    evidence = result["evidence"] or {}
    if result["status"] == "time_limit":
        return f"{result['limit']} time used up"
    if result["status"] == "memory_limit":
        return f"{evidence.get('oom_kills', 0)} kill(s) by the kernel"
    if result["signal"] is not None:
        return f"signal {result['signal']}"
    if result["reason"]:
        return result["reason"]
    return f"exit code {result['exit_code']}" if result["exit_code"] is not None else result["message"] or ""


def dead_reason(listing, message_id):
    """Why the message is in the dead queue; `listing` is what `dead list --json` printed."""
    for entry in listing if isinstance(listing, list) else next(v for v in listing.values() if isinstance(v, list)):
        if message_id in json.dumps(entry):
            return entry.get("reason", "no reason given")
    return "not listed"


def row(name):
    dead = RESULTS / f"{name}.dead"
    if dead.exists():
        reason = dead_reason(json.loads(dead.read_text()), (RESULTS / f"{name}.id").read_text().strip())
        return "dead", (name, "no result", f"dead queue: {reason}", "", "", "", "(it never ran)")
    try:
        result = json.loads((RESULTS / f"{name}.json").read_text())
    except (OSError, ValueError):
        return "nothing", (name, "nothing came back", "", "", "", "", "")
    usage = result["usage"] or {"wall_seconds": 0.0, "cpu_seconds": 0.0, "memory_peak_bytes": 0}
    return result["status"], (
        name, result["status"], why(result), f"{usage['wall_seconds']:.3f} s", f"{usage['cpu_seconds']:.3f} s",
        f"{usage['memory_peak_bytes'] / 1048576:.0f} MiB", output(result),
    )


def main():
    names = (RESULTS / "order").read_text().split()
    rows, wrong = [HEAD], []
    for name in names:
        status, cells = row(name)
        rows.append(cells)
        expected = (RESULTS / f"{name}.expected").read_text().strip()
        if status != expected:
            wrong.append(f"{name}: {status}, expected {expected}")
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD))]
    for cells in rows:
        print("  ".join(cell.rjust(width) if column in (3, 4, 5) else cell.ljust(width)
                        for column, (cell, width) in enumerate(zip(cells, widths))).rstrip())
    print()
    print("\n".join(wrong) if wrong else f"All {len(names)} ended as they should.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
