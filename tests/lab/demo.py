# SPDX-License-Identifier: Apache-2.0
"""./lab demo: what pvsched does to a guest's latency on a busy host."""

import json
import statistics

import host
import image
import latency
import payload
import plot
from progress import say, step
from settings import OUT, LabError

_SIDES = (("guest", "guest_us"), ("host", "host_us"))
_EMULATED = ("The host was itself emulated: compare the ratios; the raw figures say little about "
             "real hardware.")


def policies(actuators):
    """Name -> (title, actuator) of what is compared; `pvsched` is the first actuator's."""
    names = {f"pvsched-{a}" if i else "pvsched": (f"pvsched {a}", a) for i, a in enumerate(actuators)}
    return {"eevdf": ("EEVDF", None), **names, "rr": ("static SCHED_RR", None)}


def run(rounds, seconds, actuators, json_path, plot_path):
    compared = policies(actuators)
    job = payload.Job(["demo-rounds", str(rounds), str(seconds),
                       *(f"{name}={actuator}" for name, (_, actuator) in compared.items())])
    image.host_image()  # may take long, and says so itself
    with step(f"the demo: {rounds} rounds of {', '.join(compared)}", prints=True):
        outcome = host.run(job, OUT / "demo")
    if outcome.status:
        raise LabError(f"the demo failed on the host with exit status {outcome.status}: "
                       f"see above and {outcome.out}")
    result = evaluate(outcome.out, rounds, compared)
    result["emulated"] = outcome.emulated
    result["host_kernel"] = outcome.kernel
    result["actuators"] = list(actuators)
    for path, text in ((json_path, json.dumps(result, indent=1) + "\n"),
                       (plot_path, plot.svg(_curves(outcome.out, rounds, compared),
                                           {name: title for name, (title, _) in compared.items()}))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(table(result, compared))
    say(f"wrote {json_path} and {plot_path}")
    return 0


def _folder(out, n, policy):
    return out / f"round-{n}-{policy}"


def _curves(out, rounds, compared):
    """side -> policy -> the latencies of all rounds together."""
    return {side: {policy: latency.merged([latency.Distribution.from_cyclictest(
        _folder(out, n, policy) / f"{side}.json") for n in range(1, rounds + 1)])
        for policy in compared} for side, _ in _SIDES}


def evaluate(out, rounds, compared):
    """Figures of each round, their medians, and the medians of each round's ratio to EEVDF."""
    raw = [{policy: _measured(_folder(out, n, policy)) for policy in compared}
           for n in range(1, rounds + 1)]
    medians, ratios = {}, {}
    for policy in compared:
        mine = [r[policy] for r in raw]
        medians[policy] = {key: latency.median_figures([m[key] for m in mine]) for _, key in _SIDES}
        for key in ("host_work", "guest_cpu"):
            medians[policy][key] = statistics.median(m[key] for m in mine)
        # A round's policies are compared with each other: what drifts over the
        # boot drops out.
        ratios[policy] = {key: latency.median_figures([
            {f: r[policy][key][f] / max(r["eevdf"][key][f], 1) for f in latency.FIGURES} for r in raw])
            for _, key in _SIDES}
        for key in ("host_work", "guest_cpu"):
            ratios[policy][key] = statistics.median(r[policy][key] / r["eevdf"][key] for r in raw)
    return {"policies": medians, "ratios": ratios, "rounds": raw}


def _measured(folder):
    figures = {}
    for side, key in _SIDES:
        distribution = latency.Distribution.from_cyclictest(folder / f"{side}.json")
        figures[key] = distribution.figures()
        figures[f"{side}_samples"] = distribution.total
    rates = latency.work_done(folder / "work")
    figures["host_work"] = latency.work_figure(rates)
    figures["stressors"] = rates
    try:
        # Of one CPU: what the guest takes is not the load's.
        figures["guest_cpu"] = int((folder / "guest_cpu").read_text()) / 1e9
    except (OSError, ValueError) as error:
        raise LabError(f"{folder}/guest_cpu is no CPU time: {error}") from error
    return figures


def table(result, compared):
    """Ratios to EEVDF, the raw figures beside them."""
    lines = ["", f"Wake-up latency on a busy host, kernel {result['host_kernel']}: each figure as a "
             "ratio to EEVDF's (and in us).",
             f"cyclictest at SCHED_RR 8 in the guest and on the host at once; medians of "
             f"{len(result['rounds'])} rounds."]
    for side, key in _SIDES:
        lines += ["", f"{side:18}" + "".join(f"{name:>18}" for name in latency.FIGURES)]
        for policy, (title, _) in compared.items():
            cells = (f"{result['ratios'][policy][key][f]:.2f} ({result['policies'][policy][key][f]:.0f})"
                     for f in latency.FIGURES)
            lines.append(f"  {title:16}" + "".join(f"{cell:>18}" for cell in cells))
    lines += ["", f"{'load':18}{'work done':>18}{'vCPU took':>26}"]
    for policy, (title, _) in compared.items():
        cpu = f"{result['ratios'][policy]['guest_cpu']:.2f} ({result['policies'][policy]['guest_cpu']:.0%} of a CPU)"
        lines.append(f"  {title:16}{result['ratios'][policy]['host_work']:>18.2f}  {cpu:>24}")
    if result["emulated"]:
        lines += ["", _EMULATED]
    return "\n".join(lines)
