# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Sentences that the HTML report and the Markdown summary share."""

import re

from bench import stats, workload
from bench.policies import POLICIES
from bench.results import OWN

SUITES = {
    "latency": "How late does a task run after its wake-up, in the guest and on the host?",
    "overhead": "What does pvsched itself cost?",
    "scale": "How does the cost grow with the number of VMs and vCPUs?",
    "boot": "How long does a VM take to boot?",
    "numa": "Do vCPUs and tasks stay on their CPU and node, and are busy nodes balanced?",
}

BETTER = {"lower": "lower is better", "higher": "higher is better", "neither": "neither is better"}

EMULATED = ("The host under test was emulated, and its guests ran within the emulation. The same code schedules as on "
            "hardware, but time is distorted: a guest's exits, interrupts and wake-ups cost many times as much, caches "
            "do not count, and all figures are noisy. Read ratios, not absolute times. Differences of a few per cent "
            "do not carry over to hardware.")
HARDWARE = "The host under test ran on hardware virtualisation."


def number(value):
    """Three significant digits, or all digits before the point; no exponent."""
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
    """"" with one round, or without a difference between rounds."""
    if min(estimate.values) == max(estimate.values):
        return ""
    return f"{write(estimate.low)} .. {write(estimate.high)}"


def detail(estimate, write, most):
    """The text in brackets: the interval, and the number of rounds if other policies have more."""
    few = f"n = {len(estimate.values)}" if len(estimate.values) < most else ""
    return "; ".join(filter(None, (interval(estimate, write), few)))


def unit(row):
    """The unit of a metric, and which direction is better."""
    return ", ".join(filter(None, (row.unit if row.unit != "1" else "", BETTER[row.better])))


def amount(value, row):
    """A value with its unit; counts have the unit "1"."""
    return number(value) if row.unit in ("", "1") else f"{number(value)} {row.unit}"


def stopped(meta):
    """"" for a complete run."""
    return f"Stopped: {meta['trouble']}. The figures below were measured before that." if meta.get("trouble") else ""


def place(meta):
    is_timed = "latency" in meta["suites"] and meta.get("seconds")
    timed = f", latency for {meta['seconds']} s each time" if is_timed else ""
    own = f" (the machine's own: {meta['own_kernel']})" if "own_kernel" in meta else ""
    return (f"{meta['date']}, {meta['machine']}; host kernel {meta['host_kernel']}{own}, guest kernel "
            f"{meta['guest_kernel']}; {meta['rounds']} round{'s' * (meta['rounds'] != 1)}{timed}; "
            f"commit {meta['commit'] or 'unknown'}")


def reading(results):
    """Sentences that explain the tables."""
    policies, rounds = results["policies"], max(results["meta"]["rounds"], 1)
    base = next(iter(policies.values()))
    own = [p for p in policies if p in OWN]
    interval_is = (f"With {rounds} rounds, it holds the true median with a probability of "
                   f"{percent(stats.confidence(rounds))}." if rounds > 1 else "One round has no interval.")
    return [
        f"A policy's figure is divided by {base}'s figure of the same round. A cell is the median of the rounds' "
        f"ratios: 0.50 is half of {base}'s. The column of {base} shows the median of its absolute values.",
        f"The brackets hold the interval of the median. {interval_is} If it contains 1, the rounds do not distinguish "
        f"the policy from {base}. Up to eight rounds, the interval is as wide as the extremes. With fewer than five "
        "rounds, no difference counts as clear.",
        f"Metrics that {base} does not have, such as the run time of pvsched's programs, are absolute values.",
        "The best policy of a row is bold, and so are policies that are not clearly worse. No policy is bold if that "
        "applies to all, or with fewer than five rounds.",
        *([f"In comparisons of pvsched with other policies, the best of its {len(own)} actuators in that row "
           "represents pvsched."] if len(own) > 1 else []),
        "\"-\" means not measured; \"n = 3\" means measured in three rounds only.",
        *(_OF_LATENCY if "latency" in _suites(results) else ()),
    ]


_OF_LATENCY = (
    "cyclictest skips the cycles that pass while a wake-up is late. So a guest that stalls has fewer wake-ups, and "
    "its figures look better than they are. The row \"guest wake-ups a second\" shows it.",
    "p99.9 needs 1000 wake-ups in a round; with fewer it would be the maximum.",
)


def _suites(results):
    return {s["suite"] for s in results["samples"]}


def glossary(results):
    """(term, its meaning) for all terms in the tables."""
    names, found, measured, load = set(results["policies"]), [], _suites(results), workload.constants()
    for name, text in (
            ("scx", "pvschedd is the host's scheduler, written in BPF for the kernel's sched_ext"),
            ("agent", "pvschedd sets the scheduling parameters of vCPU threads by system calls"),
            ("kfunc", "a module of the host's kernel sets the parameters directly from BPF"),
            ("scx-noboost", "scx with boot-time=0: a VM that boots gets no boot boost")):
        if name in names:
            found.append((POLICIES[name].title, text))
    if measured & {"latency", "boot"}:
        found.append(("busy host", f"the host runs stress-ng {load['load']}: two computing threads, one thread with "
                      "mixed I/O, one that maps and writes 128 MB, one that forks"))
    if "latency" in measured:
        found.append(("latency", "cyclictest's measure: the delay from the expiry of a timer until its thread, with "
                      f"SCHED_RR priority {load['rt_priority']}, runs. The timer expires every "
                      f"{int(load['guest_interval']) // 1000} ms on each vCPU and every "
                      f"{int(load['host_interval']) // 1000} ms on the host"))
    if "rr" in names:
        found.append(("static SCHED_RR", f"the vCPU threads always have SCHED_RR priority {load['rt_priority']}"))
    if "boot" in measured:
        found.append(("exits to the VMM", "vCPU exits that KVM passes to the VMM"))
    return found


def missing(case, policies):
    """A sentence for each reason for which a policy was not measured."""
    groups = {}
    for policy in policies:
        if policy in case.missing:
            key = _in_rounds(case.missing[policy]), stats.measured(case, policy)
            groups.setdefault(key, []).append(policies[policy])
    return [f"Not measured{' in all rounds' if partly else ''}: {'; '.join(titles)}. The reason: {why.rstrip('.')}."
            for (why, partly), titles in groups.items()]


def _in_rounds(reasons):
    """Merges equal reasons ("round 2: it hung") of several rounds."""
    rounds = {}
    for reason in reasons:
        found = re.fullmatch(r"round (\d+): (.*)", reason, re.S)
        rounds.setdefault(found[2] if found else reason, []).extend([found[1]] if found else [])
    return "; ".join(f"round{'s' * (len(ns) > 1)} {', '.join(ns)}: {why}" if ns else why for why, ns in rounds.items())


def again(case, policies):
    """A sentence for each policy that needed retries."""
    sentences = []
    for policy, reasons in case.again.items():
        times = {why: reasons.count(why) for why in dict.fromkeys(reasons)}
        text = "; ".join(f"{why} ({n} times)" if n > 1 and len(times) > 1 else why for why, n in times.items())
        sentences.append(f"Measured again: {policies[policy]}, {len(reasons)} time{'s' * (len(reasons) > 1)}: {text}.")
    return sentences


def not_best(case, policies):
    """A sentence for each row in which pvsched is not best: the better policy, by how much, and whether clearly."""
    sentences = []
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
            # The medians and most rounds may disagree here.
            doubt = "with too few rounds for certainty" if lead and lead.low > 1 else "within the spread of the rounds"
            text = (f"{policies[other]} has {_value(row, other)}, {policies[own]} {_value(row, own)}, {doubt}"
                    + (f" (by a factor of {shown})" if shown else ""))
        sentences.append(f"{row.metric}: {text}.")
    return sentences


def _value(row, policy):
    median = row.estimate(policy).median
    return ratio(median) if row.relative else amount(median, row)
