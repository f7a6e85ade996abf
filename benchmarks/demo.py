# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab demo: a guest's latency on a busy host with and without pvsched."""

import json
import statistics

import image
import latency
import machine
import plot
from bench import collect, rounds, schedule, suites, workload
from bench.policies import BASE, POLICIES
from progress import say, step
from settings import OUT, LabError

_CASE = suites.DEMO
_SIDES = (("guest", "guest_us"), ("host", "host_us"))
_EMULATED = ("The host was emulated: compare the ratios. Absolute values do not carry over to "
             "hardware.")


def policies(actuators):
    """Name in the demo -> policy of the bench; `pvsched` is the first actuator."""
    return {BASE: BASE, **{f"pvsched-{a}" if i else "pvsched": a for i, a in enumerate(actuators)}, "rr": "rr"}


def _title(policy):
    return POLICIES[policy].title


def run(number, seconds, actuators, json_path, plot_path):
    compared = policies(actuators)
    plan = schedule.blocks(list(compared.values()), [_CASE], number, seed=1)
    host = image.host_image()
    with step(f"the demo: {number} rounds of {', '.join(compared)}", prints=True):
        measured = rounds.run(plan, seconds, OUT / "demo", machine.why_no_kvm() is not None)
    if measured.trouble:
        raise LabError(f"the demo failed: {measured.trouble}")
    whole = _whole(measured, number, compared)
    result = evaluate(whole, compared)
    result["emulated"] = measured.emulated
    result["host_kernel"] = host.kernel
    result["actuators"] = list(actuators)
    for path, text in ((json_path, json.dumps(result, indent=1) + "\n"),
                       (plot_path, plot.svg(_curves(whole, compared),
                                           {name: _title(policy) for name, policy in compared.items()}))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(table(result, compared))
    say(f"wrote {json_path} and {plot_path}")
    return 0


def _measurement(out, n, policy):
    folder = collect.folder(out, n, _CASE.suite, _CASE.name, policy)
    if not folder.exists():
        raise LabError(f"round {n} has no figures for {policy}")
    if (folder / "missing").exists():
        raise LabError(f"round {n} has no figures for {policy}: {(folder / 'missing').read_text().strip()}")
    return collect.Latency(folder)


def _whole(measured, number, compared):
    """A dict of name -> measurement for each complete round. Incomplete rounds are reported: the
    bench gives a policy up after repeated deaths of emulated hosts."""
    found, why = [], []
    for n in range(1, number + 1):
        try:
            found.append({name: _measurement(measured.raw, n, policy) for name, policy in compared.items()})
        except LabError as error:
            why.append(str(error))
    why += [f"{policy} was given up: {end}" for (*_, policy), end in measured.given_up.items()]
    if not found:
        raise LabError(f"the demo has no complete round: {'; '.join(why)}")
    if why:
        say(f"{len(found)} of {number} rounds are complete: {'; '.join(why)}")
    return found


def _curves(whole, compared):
    """side -> name -> the distribution over all rounds."""
    return {side: {name: latency.merged([dict(r[name].sides())[side] for r in whole]) for name in compared}
            for side, _ in _SIDES}


def evaluate(whole, compared):
    """The figures of each round, their medians, and the medians of the rounds' ratios to EEVDF."""
    raw = [{name: _figures(measurement) for name, measurement in r.items()} for r in whole]
    medians, ratios = {}, {}
    for policy in compared:
        mine = [r[policy] for r in raw]
        medians[policy] = {key: latency.median_figures([m[key] for m in mine]) for _, key in _SIDES}
        for key in ("host_work", "guest_cpu"):
            medians[policy][key] = statistics.median(m[key] for m in mine)
        # Ratios within a round cancel a drift over the boot.
        ratios[policy] = {key: latency.median_figures([
            {f: r[policy][key][f] / max(r["eevdf"][key][f], 1) for f in latency.FIGURES} for r in raw])
            for _, key in _SIDES}
        for key in ("host_work", "guest_cpu"):
            ratios[policy][key] = statistics.median(r[policy][key] / r["eevdf"][key] for r in raw)
    return {"policies": medians, "ratios": ratios, "rounds": raw}


def _figures(measured):
    figures = {}
    for (side, key), (_, distribution) in zip(_SIDES, measured.sides()):
        figures[key] = distribution.figures()
        figures[f"{side}_samples"] = distribution.total
    figures["host_work"] = latency.work_figure(measured.rates)
    figures["stressors"] = measured.rates
    figures["guest_cpu"] = measured.cpus  # CPU time that the load does not get
    return figures


def table(result, compared):
    """The table: ratios to EEVDF, with absolute values beside them."""
    priority = workload.constants()["rt_priority"]
    lines = ["", f"Wake-up latency on a busy host, kernel {result['host_kernel']}: ratio to EEVDF (us).",
             f"cyclictest at SCHED_RR {priority} in the guest and on the host at the same time; medians of "
             f"{len(result['rounds'])} round{'s' * (len(result['rounds']) > 1)}."]
    for side, key in _SIDES:
        lines += ["", f"{side:18}" + "".join(f"{name:>18}" for name in latency.FIGURES)]
        for policy, title in ((name, _title(p)) for name, p in compared.items()):
            cells = (f"{result['ratios'][policy][key][f]:.2f} ({result['policies'][policy][key][f]:.0f})"
                     for f in latency.FIGURES)
            lines.append(f"  {title:16}" + "".join(f"{cell:>18}" for cell in cells))
    lines += ["", f"{'load':18}{'work done':>18}{'vCPU used':>26}"]
    for policy, title in ((name, _title(p)) for name, p in compared.items()):
        cpu = f"{result['ratios'][policy]['guest_cpu']:.2f} ({result['policies'][policy]['guest_cpu']:.0%} of a CPU)"
        lines.append(f"  {title:16}{result['ratios'][policy]['host_work']:>18.2f}  {cpu:>24}")
    if result["emulated"]:
        lines += ["", _EMULATED]
    return "\n".join(lines)
