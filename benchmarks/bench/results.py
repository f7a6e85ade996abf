# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""results.json: the raw measurements of a run. This module reads, checks, merges and writes it.

    {"format": 1,
     "meta": {"date", "host_kernel", "guest_kernel", "machine", "emulated", "rounds", "suites", "commit"};
             and optionally: "own_kernel", "qemu", "time", "seconds", "seed", "command", "trouble" (why the run is
             incomplete)
     "policies": {NAME: TITLE, ...}, in order; the first is the base of all ratios
     "samples": [{"suite", "case", "policy", "round", "metric", "unit", "better", "value"}, ...],
     "curves": [{"suite", "case", "side", "policy", "histogram": {US: COUNT, ...}}, ...], all rounds together
     "missing": [{"suite", "case", "policy", "why"}, ...],
     "again": optional, the same fields: the reason of each retry}
"""

import json
import math

from bench import suites
from bench.policies import POLICIES, of_kind
from settings import LabError

FORMAT = 1
OWN = tuple(of_kind(POLICIES, "pvsched"))
BETTER = ("lower", "higher", "neither")  # neither: reported, not judged

_KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object",
          (int, float): "a number"}
_PARTS = {"format": int, "meta": dict, "policies": dict, "samples": list, "curves": list, "missing": list}
_META = {"date": str, "host_kernel": str, "guest_kernel": str, "machine": str, "emulated": bool, "rounds": int,
         "suites": list, "commit": str}
_SAMPLE = {"suite": str, "case": str, "policy": str, "round": int, "metric": str, "unit": str, "better": str,
           "value": (int, float)}
_CURVE = {"suite": str, "case": str, "side": str, "policy": str, "histogram": dict}
_MISSING = {"suite": str, "case": str, "policy": str, "why": str}
_UNDER_TEST = ("host_kernel", "guest_kernel", "emulated")
_TIMED = {case.suite for case in suites.cases(suites.SUITES) if case.timed}
_SAME = ("own_kernel", "machine", *_UNDER_TEST)  # must be equal in merged runs


def load(path):
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise LabError(f"{path} is no JSON: {error}") from error
    check(results, str(path))
    return results


def save(results, path):
    """Writes one line for each sample, so that a diff compares versions."""
    def block(value):
        if isinstance(value, list) and value:
            return "[\n  " + ",\n  ".join(json.dumps(v) for v in value) + "\n ]"
        return json.dumps(value)
    check(results, str(path))
    path.write_text("{\n " + ",\n ".join(f"{json.dumps(k)}: {block(v)}" for k, v in results.items()) + "\n}\n")


def check(results, name):
    """Raises LabError with the first error, its place and what is expected."""
    try:
        _check(results)
    except _Wrong as wrong:
        raise LabError(f"{name} holds no results of ./lab bench: {wrong}") from wrong


class _Wrong(Exception):
    pass


def _check(results):
    _shape(results, _PARTS, "it")
    if results["format"] != FORMAT:
        raise _Wrong(f"its format is {results['format']}, and this lab reads {FORMAT}")
    _shape(results["meta"], _META, "meta")
    policies = results["policies"]
    if not policies:
        raise _Wrong("policies is empty: the first one is the base of all ratios")
    _shape(policies, dict.fromkeys(policies, str), "policies")
    _check_samples(results["samples"], policies)
    seen = set()
    for n, curve in enumerate(results["curves"]):
        where = f"curves[{n}]"
        _shape(curve, _CURVE, where)
        _known(curve, policies, where)
        _once(seen, tuple(curve[k] for k in ("suite", "case", "side", "policy")), where)
        if not curve["histogram"] or not all(us.isdecimal() and type(count) is int and count > 0
                                             for us, count in curve["histogram"].items()):
            raise _Wrong(f"{where}.histogram is not microseconds with counts above 0, such as {{\"250\": 12}}")
    _shape({"again": [], **results}, {"again": list}, "it")
    for part in ("missing", "again"):
        for n, entry in enumerate(results.get(part, ())):
            _shape(entry, _MISSING, f"{part}[{n}]")
            _known(entry, policies, f"{part}[{n}]")


def _check_samples(samples, policies):
    seen, kinds = set(), {}
    for n, sample in enumerate(samples):
        where = f"samples[{n}]"
        _shape(sample, _SAMPLE, where)
        _known(sample, policies, where)
        if sample["better"] not in BETTER:
            raise _Wrong(f"{where}.better is '{sample['better']}', not one of {', '.join(BETTER)}")
        if not math.isfinite(sample["value"]):
            raise _Wrong(f"{where}.value is not finite")
        if sample["round"] < 1:
            raise _Wrong(f"{where}.round is {sample['round']}: rounds count from 1")
        _once(seen, tuple(sample[k] for k in ("suite", "case", "policy", "round", "metric")), where)
        kind = (sample["unit"], sample["better"])
        if kinds.setdefault((sample["suite"], sample["metric"]), kind) != kind:
            raise _Wrong(f"{where}: '{sample['metric']}' has another unit or 'better' than before in this suite")


def _shape(value, shape, where):
    if not isinstance(value, dict):
        raise _Wrong(f"{where} is not an object")
    for key, kind in shape.items():
        path = key if where == "it" else f"{where}.{key}"
        if key not in value:
            raise _Wrong(f"{path} is missing")
        # isinstance(True, int) holds in Python.
        if not isinstance(value[key], kind) or isinstance(value[key], bool) and kind is not bool:
            raise _Wrong(f"{path} is not {_KINDS[kind]}")


def _known(entry, policies, where):
    if entry["policy"] not in policies:
        raise _Wrong(f"{where}.policy is '{entry['policy']}', which is not in policies")


def _once(seen, key, where):
    if key in seen:
        raise _Wrong(f"{where} is a duplicate: {', '.join(map(str, key))}")
    seen.add(key)


def merge(parts):
    """One result of several partial runs: of other suites, or more rounds of the same suite.

    Rounds of later parts get new numbers, as only figures of one round are compared.
    """
    first, *others = parts
    merged = {"format": FORMAT, "meta": dict(first["meta"]), "policies": dict(first["policies"]),
              "samples": list(first["samples"]), "curves": list(first["curves"]), "missing": list(first["missing"])}
    for part in others:
        _check_mergeable(merged, part)
        merged["meta"] = _merged_meta(merged["meta"], part["meta"])
        merged["policies"] |= {k: v for k, v in part["policies"].items() if k not in merged["policies"]}
        last = {}
        for sample in merged["samples"]:
            last[sample["suite"]] = max(last.get(sample["suite"], 0), sample["round"])
        merged["samples"] += [{**s, "round": s["round"] + last.get(s["suite"], 0)} for s in part["samples"]]
        merged["curves"] = _merged_curves(merged["curves"] + part["curves"])
    merged["again"] = [entry for part in parts for entry in part.get("again", ())]
    merged["missing"] = _still_missing(parts, merged["samples"])
    merged["meta"]["rounds"] = max((s["round"] for s in merged["samples"]), default=0)
    check(merged, "the merged result")
    return merged


def _check_mergeable(one, other):
    for key in _SAME:
        if key in _UNDER_TEST and not (_has_host(one["meta"]) and _has_host(other["meta"])):
            continue
        if one["meta"].get(key) != other["meta"].get(key):
            raise LabError(f"these runs cannot be merged: their {key} differs: "
                           f"{one['meta'].get(key)}, {other['meta'].get(key)}")
    if next(iter(one["policies"])) != next(iter(other["policies"])):
        raise LabError("these runs cannot be merged: their first policies, the base of all ratios, differ")
    shared = {s["suite"] for s in one["samples"]} & {s["suite"] for s in other["samples"]}
    if shared and one["meta"]["commit"] != other["meta"]["commit"]:
        raise LabError(f"these runs cannot be merged: both have the suite {min(shared)}, of different commits: "
                       f"{one['meta']['commit']}, {other['meta']['commit']}")
    seconds = [run["meta"].get("seconds") for run in (one, other)]
    if shared & _TIMED and seconds[0] != seconds[1]:
        raise LabError(f"these runs cannot be merged: both have the suite {min(shared & _TIMED)}, measured for "
                       f"{seconds[0]} s and for {seconds[1]} s each time: give --seconds")
    known = list(_rounds(one).values())
    for (suite, n), measured in _rounds(other).items():
        if measured in known:
            raise LabError(f"these runs cannot be merged: round {n} of {suite} is in two of them")


def _rounds(results):
    """(suite, round) -> its measurements; two different rounds are never equal."""
    found = {}
    for s in results["samples"]:
        found.setdefault((s["suite"], s["round"]), set()).add(
            (s["suite"], s["case"], s["policy"], s["metric"], s["value"]))
    return found


def _has_host(meta):
    """Whether there was a host under test: `scale` uses this machine's own kernel only."""
    return meta["suites"] != ["scale"]


def _merged_meta(one, other):
    meta = dict(one)
    if not _has_host(one):
        meta |= {key: other[key] for key in _UNDER_TEST}
    for key in ("date", "commit"):
        meta[key] = ", ".join(dict.fromkeys(one[key].split(", ") + other[key].split(", ")))
    meta["trouble"] = "; ".join(dict.fromkeys(filter(None, (run.get("trouble") for run in (one, other)))))
    meta["suites"] = list(dict.fromkeys(one["suites"] + other["suites"]))
    return meta


def _still_missing(parts, samples):
    """The missing entries that no other part measured."""
    measured = set(map(_place, samples))
    kept = [m for part in parts for m in part["missing"]
            if _place(m) not in measured or _place(m) in set(map(_place, part["samples"]))]
    return [m for n, m in enumerate(kept) if m not in kept[:n]]


def _place(entry):
    return entry["suite"], entry["case"], entry["policy"]


def _merged_curves(curves):
    merged = {}
    for curve in curves:
        key = tuple(curve[k] for k in ("suite", "case", "side", "policy"))
        total = merged.setdefault(key, {**curve, "histogram": {}})["histogram"]
        for us, count in curve["histogram"].items():
            total[us] = total.get(us, 0) + count
    return list(merged.values())
