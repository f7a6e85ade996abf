# SPDX-License-Identifier: Apache-2.0
"""The figures in words: what the report and the Markdown summary both say."""

import fnmatch
import re
import tomllib

from bench import stats
from bench.results import OWN
from settings import LabError

SUITES = {
    "latency": "How late does a wake-up come, in the guest and on the host?",
    "overhead": "What does pvsched itself cost?",
    "scale": "How does that grow with the number of VMs and vCPUs?",
    "boot": "How long does a VM take to boot?",
}

BETTER = {"lower": "lower is better", "higher": "higher is better", "neither": "neither is better"}

EMULATED = ("The host under test was itself emulated, its guests within it. Who runs when is decided by the same "
            "code as on hardware, but time is distorted: exits, interrupts and wake-ups of a guest cost many times "
            "as much, caches do not count, and all of it is noisy. Read ratios, not raw times; do not carry "
            "differences of a few per cent over to hardware.")
HARDWARE = "The host under test ran on hardware virtualisation."


def number(value):
    """Three digits that count, or all before the point; no exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    places = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if float(text) else f"{value:.1g}"


def ratio(value):
    return number(value) if value >= 10 else f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def percent(share):
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def interval(estimate, write):
    """"" where one round, or no difference between rounds, leaves none."""
    if min(estimate.values) == max(estimate.values):
        return ""
    return f"{write(estimate.low)} .. {write(estimate.high)}"


def detail(estimate, write, most):
    """What stands in brackets: the interval, and how many rounds where others have more."""
    few = f"n = {len(estimate.values)}" if len(estimate.values) < most else ""
    return "; ".join(filter(None, (interval(estimate, write), few)))


def unit(row):
    """A metric says for itself what it is in, and which way is better."""
    return ", ".join(filter(None, (row.unit if row.unit != "1" else "", BETTER[row.better])))


def amount(value, row):
    """With its unit; "1" is that of counts."""
    return number(value) if row.unit in ("", "1") else f"{number(value)} {row.unit}"


def stopped(meta):
    """"" of a run that came to its end."""
    return f"Stopped: {meta['trouble']}. Below is what was measured by then." if meta.get("trouble") else ""


def place(meta):
    timed = f", latency for {meta['seconds']} s each time" if "latency" in meta["suites"] and meta.get("seconds") else ""
    own = f" (of the machine itself: {meta['own_kernel']})" if "own_kernel" in meta else ""
    return (f"{meta['date']}, {meta['machine']}; host kernel {meta['host_kernel']}{own}, guest kernel "
            f"{meta['guest_kernel']}; {meta['rounds']} round{'s' * (meta['rounds'] != 1)}{timed}; "
            f"commit {meta['commit'] or 'unknown'}")


def reading(results):
    """What the numbers in the tables are: sentences."""
    policies, rounds = results["policies"], max(results["meta"]["rounds"], 1)
    base = next(iter(policies.values()))
    own = [p for p in policies if p in OWN]
    interval_is = (f"of {rounds} rounds, it holds the true one with a probability of "
                   f"{percent(stats.confidence(rounds))}" if rounds > 1 else "one round has none")
    return [
        f"A figure of a policy is divided by that of {base} in the same round; a cell is the median of the rounds' "
        f"ratios: 0.50 is half of {base}'s. {base}'s own column has its raw figures: the median of the rounds.",
        f"In brackets stands the interval of the median: {interval_is}. Where it holds 1, the rounds do not tell "
        f"the policy from {base}. Up to eight rounds it is as wide as their extremes, and with fewer than five no difference is "
        "called clear.",
        f"Metrics that {base} has not (such as the run time of pvsched's own programs) are shown as they are.",
        "Bold are the best of a row and those that are not clearly worse; nothing is where that is all of them, or with "
        "fewer than five rounds.",
        *([f"Where it is said whether pvsched is best in a row, the best in that row of its {len(own)} actuators stands "
           "for it: the others may be worse."] if len(own) > 1 else []),
        "\"-\" was not measured; \"n = 3\" was in so many rounds only.",
        *(_OF_LATENCY if "latency" in _suites(results) else ()),
        *(_OF_BOOT if "boot" in _suites(results) and "scx" in policies else ()),
    ]


_OF_LATENCY = (
    "cyclictest leaves out the cycles that have passed when a wake-up comes too late: a guest that stalls is measured "
    "less often, and looks better than it is. How often it was stands in the row \"guest wake-ups a second\".",
    "p99.9 is shown where a round has 1000 wake-ups or more; with fewer it would be the maximum.",
)
_OF_BOOT = ("Under scx the tunable boot-time was set to 60 s, as a boot takes an emulated host that long; it is 3 s by "
            "default, which is meant for hardware.",)


def _suites(results):
    return {s["suite"] for s in results["samples"]}


def glossary(results):
    """(word, what it means), of what is in the tables."""
    names, found, measured = set(results["policies"]), [], _suites(results)
    for name, text in (
            ("scx", "pvschedd as the host's scheduler, in BPF, by the kernel's sched_ext"),
            ("agent", "pvschedd sets the vCPU threads' scheduling parameters, by system calls"),
            ("kfunc", "the same, done by a module of the host's kernel, at once")):
        if name in names:
            found.append((f"pvsched, {name}", text))
    if measured & {"latency", "boot"}:
        found.append(("busy host", "with a load of stress-ng's: two threads that compute, one that does I/O in mixed "
                      "patterns, one that maps and writes 128 MB, one that forks (--cpu 2 --iomix 1 --vm 1 "
                      "--vm-bytes 128M --fork 1)"))
    if "latency" in measured:
        found.append(("latency", "what cyclictest measures: by how much a thread of SCHED_RR, priority 8, wakes up too "
                      "late, in the guest on each vCPU every 10 ms, and on the host every 2 ms"))
    if "rr" in names:
        found.append(("static SCHED_RR", "the vCPU threads have SCHED_RR, priority 8, all the time"))
    if "boot" in measured:
        found.append(("exits to the VMM", "those of a vCPU's exits that KVM did not deal with by itself"))
    return found


def missing(case, policies):
    """What was not measured, and why: a sentence for each reason."""
    groups = {}
    for policy in policies:
        if policy in case.missing:
            key = _in_rounds(case.missing[policy]), stats.measured(case, policy)
            groups.setdefault(key, []).append(policies[policy])
    return [f"Not measured{' in all rounds' if partly else ''}: {'; '.join(titles)}. The reason: {why.rstrip('.')}."
            for (why, partly), titles in groups.items()]


def _in_rounds(reasons):
    """What is the same in several rounds ("round 2: it hung") is said once."""
    rounds = {}
    for reason in reasons:
        found = re.fullmatch(r"round (\d+): (.*)", reason, re.S)
        rounds.setdefault(found[2] if found else reason, []).extend([found[1]] if found else [])
    return "; ".join(f"round{'s' * (len(ns) > 1)} {', '.join(ns)}: {why}" if ns else why for why, ns in rounds.items())


def again(case, policies):
    """What took more than one try."""
    said = []
    for policy, reasons in case.again.items():
        times = {why: reasons.count(why) for why in dict.fromkeys(reasons)}
        told = "; ".join(f"{why} ({n} times)" if n > 1 and len(times) > 1 else why for why, n in times.items())
        said.append(f"Measured again: {policies[policy]}, {len(reasons)} time{'s' * (len(reasons) > 1)}: {told}.")
    return said


def not_best(case, policies, reasons=()):
    """For each row in which pvsched is not best: who is, by how much, and whether clearly."""
    said = []
    for row in case.rows:
        beaten = stats.beaten(row)
        if not beaten:
            continue
        other, own, lead = beaten
        shown = interval(lead, ratio) if lead else ""
        if lead and lead.above_one:
            text = f"{policies[other]} is better than {policies[own]} by a factor of {ratio(lead.median)}"
            text += f" ({shown})" if shown else ""
        else:
            # The medians' order and that of most rounds may differ, then.
            doubt = "with too few rounds to be sure" if lead and lead.low > 1 else "within the spread of the rounds"
            text = (f"{policies[other]} has {_value(row, other)}, {policies[own]} {_value(row, own)}, {doubt}"
                    + (f" (by a factor of {shown})" if shown else ""))
        why = next((r["why"] for r in reasons if _about(r, row, other)), "")
        said.append(f"{row.metric}: {text}. {why}".strip())
    return said


def load_reasons(path):
    """Why pvsched is not best in some rows, as a person found out: [[row]] with why, and
    suite, case, metric, policy (who is better) as shell patterns, each "*" by default."""
    if not path.exists():
        return []
    try:
        reasons = tomllib.loads(path.read_text())["row"]
        for reason in reasons:
            if not set(reason) <= {"suite", "case", "metric", "policy", "why"} or "why" not in reason:
                raise ValueError(f"a row has why, and may have suite, case, metric, policy; not {', '.join(reason)}")
        return reasons
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} is no list of [[row]]s with a why: {error}") from error


def _value(row, policy):
    median = row.estimate(policy).median
    return ratio(median) if row.relative else amount(median, row)


def _about(reason, row, policy):
    facts = {"suite": row.suite, "case": row.case, "metric": row.metric, "policy": policy}
    return all(fnmatch.fnmatchcase(fact, reason.get(key, "*")) for key, fact in facts.items())
