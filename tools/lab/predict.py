# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Predicts from a kernel's BTF, without booting it, what of a BPF object resolves there.

This does what libbpf does before it asks the verifier: attach targets, kfuncs and their
prototypes, CO-RE relocations. The verifier itself is not predicted.
"""

import dataclasses

import btf
from btf import ENUM, ENUM64, FUNC, FUNC_PROTO, PTR, STRUCT, TYPEDEF, UNION

_AGGREGATES = (STRUCT, UNION)
_ENUMS = (ENUM, ENUM64)


@dataclasses.dataclass
class Kernel:
    """The types of a kernel and of KVM's modules: module name -> Btf."""

    types: btf.Btf
    modules: dict

    def all(self):
        return [("vmlinux", self.types), *self.modules.items()]

    def holder(self, kinds, name):
        """Where a type of this name is: (module name, Btf, id), or None."""
        for where, types in self.all():
            if found := types.ids(kinds, name):
                return where, types, found[0]
        return None

    @property
    def has_sched_ext(self):
        return self.holder((STRUCT,), "sched_ext_ops") is not None


@dataclasses.dataclass
class Prediction:
    targets: dict = dataclasses.field(default_factory=dict)  # section of a program -> module, "" if there is none
    missing_kfuncs: list = dataclasses.field(default_factory=list)  # and incompatible ones, not weak
    missing_fields: list = dataclasses.field(default_factory=list)  # read, but no test of existence is there
    missing_callbacks: list = dataclasses.field(default_factory=list)

    @property
    def missing_targets(self):
        """Of programs that are always loaded."""
        return [name for name, where in self.targets.items() if not where and not name.startswith("?")]

    @property
    def resolves(self):
        return not (self.missing_targets or self.missing_kfuncs or self.missing_fields)

    def why(self):
        parts = ((self.missing_targets, "no attach target for"), (self.missing_kfuncs, "no usable"),
                 (self.missing_fields, "no such field:"))
        return "; ".join(f"{text} {', '.join(names)}" for names, text in parts if names)


def predict(elf, kernel):
    """What of the BPF object with these bytes resolves on the kernel."""
    parts = btf.sections(elf)
    own = btf.Btf(parts[".BTF"])
    found = Prediction(targets=_targets(parts, kernel), missing_kfuncs=_missing_kfuncs(elf, own, kernel),
                       missing_callbacks=_missing_callbacks(own, kernel))
    relocations = btf.relocations(parts[".BTF.ext"], own)
    # A program that tests a field's existence reads its neighbours only if the kernel has it. A
    # flavour of a type ("name___flavour") is read only if the kernel lacks what another one has.
    tested = {_path(own, r)[0].name for r in relocations if r.kind == btf.FIELD_EXISTS}
    found.missing_fields = sorted({_field_name(own, r) for r in relocations if _is_read(r)
                                   and not _is_optional(_path(own, r)[0].name, tested)
                                   and not _has_field(own, r, kernel)})
    return found


def _is_optional(type_name, tested):
    return type_name in tested or "___" in type_name


def _is_read(relocation):
    return btf.is_of_a_field(relocation) and relocation.kind != btf.FIELD_EXISTS


def _targets(parts, kernel):
    found = {}
    for name in parts:
        kind, _, target = name.lstrip("?").partition("/")
        if kind in ("fentry", "fexit"):
            holder = kernel.holder((FUNC,), target)
        elif kind == "tp_btf":
            holder = kernel.holder((TYPEDEF,), f"btf_trace_{target}")
        else:
            continue
        found[name] = holder[0] if holder else ""
    return found


def _missing_kfuncs(elf, own, kernel):
    weak, missing = btf.weak_symbols(elf), []
    for section in own.ids((btf.DATASEC,), ".ksyms"):
        for function in own.variables(section):
            extern = own.type(function)
            # One of the flavours of a name has the kernel's arguments: the program tests which.
            if extern.kind != FUNC or extern.plain_name != extern.name:
                continue
            holder = kernel.holder((FUNC,), extern.name)
            if holder is None:
                if extern.name not in weak:
                    missing.append(extern.name)
                continue
            _, types, index = holder
            if not _is_compatible(own, extern.size_or_type, types, types.type(index).size_or_type):
                missing.append(f"{extern.name}() (it has other arguments)")
    needs_sched_ext = own.ids((STRUCT,), "sched_ext_ops") and not kernel.has_sched_ext
    return ["sched_ext"] if needs_sched_ext else sorted(missing)


def _is_compatible(own, left, theirs, right, depth=16):
    """libbpf's rule for the types of a kfunc: bpf_core_types_are_compat()."""
    left, right = own.skip(left), theirs.skip(right)
    a, b = own.type(left), theirs.type(right)
    if a is None or b is None:
        return a is b
    if a.kind != b.kind and not (a.kind in _ENUMS and b.kind in _ENUMS):
        return False
    if depth == 0:
        return True
    if a.kind == PTR:
        return _is_compatible(own, a.size_or_type, theirs, b.size_or_type, depth - 1)
    if a.kind == btf.ARRAY:
        return _is_compatible(own, own.element(left), theirs, theirs.element(right), depth - 1)
    if a.kind != FUNC_PROTO:
        return True
    ours, others = [t for _, t in own.members(left)], [t for _, t in theirs.members(right)]
    return len(ours) == len(others) and all(
        _is_compatible(own, one, theirs, other, depth - 1)
        for one, other in zip([a.size_or_type, *ours], [b.size_or_type, *others]))


def _missing_callbacks(own, kernel):
    """Members of our sched_ext_ops that the kernel's lacks; pvschedd leaves these callbacks out."""
    holder = kernel.holder((STRUCT,), "sched_ext_ops")
    ours = own.ids((STRUCT,), "sched_ext_ops")
    if not holder or not ours:
        return []
    theirs = {name for name, _ in holder[1].members(holder[2])}
    return [name for name, _ in own.members(ours[0]) if name not in theirs]


# --- fields -------------------------------------------------------------------

def _path(own, relocation):
    """The root type and the names of the members on the way to a field; an array's index is an int."""
    index, names = own.skip(relocation.type_id), []
    for step in relocation.access[1:]:
        found = own.type(index)
        if found.kind == btf.ARRAY:
            names.append(step)
            index = own.skip(own.element(index))
            continue
        name, member = list(own.members(index))[step]
        if name:  # else an anonymous struct or union
            names.append(name)
        index = own.skip(member)
    return own.type(own.skip(relocation.type_id)), names


def _field_name(own, relocation):
    root, names = _path(own, relocation)
    return ".".join([root.plain_name, *(str(n) for n in names)])


def _has_field(own, relocation, kernel):
    """False if the kernel has the type, but not the field. A missing type belongs to a missing kfunc or callback."""
    root, names = _path(own, relocation)
    found = [(types, index) for _, types in kernel.all() for index in types.ids((root.kind,), root.plain_name)]
    return not found or any(_finds(types, index, names) for types, index in found)


def _finds(types, index, names):
    for name in names:
        index = types.skip(index)
        found = types.type(index)
        if isinstance(name, int):
            if found.kind != btf.ARRAY:
                return False
            index = types.element(index)
            continue
        index = _member(types, index, name) if found and found.kind in _AGGREGATES else None
        if index is None:
            return False
    return True


def _member(types, index, name):
    """The type id of a member, searched in anonymous structs and unions, too."""
    for found, member in types.members(index):
        if found == name:
            return member
        inner = types.skip(member)
        if not found and types.type(inner) and types.type(inner).kind in _AGGREGATES:
            deeper = _member(types, inner, name)
            if deeper is not None:
                return deeper
    return None
