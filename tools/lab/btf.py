# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Reads BTF, the BPF Type Format: of kernels, kernel modules and BPF objects."""

import dataclasses
import struct

from settings import LabError

(INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR,
 DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64) = range(1, 20)
_WRAPPERS = (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG)
_MEMBER_BYTES = {INT: (4, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12), ENUM: (0, 8), FUNC_PROTO: (0, 8),
                 VAR: (4, 0), DATASEC: (0, 12), DECL_TAG: (4, 0), ENUM64: (0, 12)}  # fixed, for each member


def sections(elf):
    """Name -> bytes of the sections of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise LabError("not a 64-bit little-endian ELF file")
    start, = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, start + i * size) for i in range(count)]
    base = headers[names][4]
    found = {}
    for name, kind, _, _, offset, length, *_ in headers:
        text = elf[base + name:elf.index(b"\0", base + name)].decode()
        found[text] = b"" if kind == 8 else elf[offset:offset + length]  # 8: NOBITS
    return found


@dataclasses.dataclass(frozen=True)
class Type:
    kind: int
    name: str
    size_or_type: int
    vlen: int
    data: int  # offset of what follows the header

    @property
    def plain_name(self):
        """Without the ___flavour that CO-RE ignores."""
        return self.name.partition("___")[0]


class Btf:
    """The types of one .BTF section; `base` is the kernel's for a module."""

    def __init__(self, data, base=None):
        magic, _, _, head, types, types_len, strings, strings_len = struct.unpack_from("<HBBIIIII", data)
        if magic != 0xEB9F:
            raise LabError("not BTF")
        self._base = base
        self._data = data
        self._first = len(base) if base else 1
        self._first_string = base.strings_len if base else 0
        self._strings = data[head + strings:head + strings + strings_len]
        self.strings_len = self._first_string + strings_len
        self._types = []
        at, end = head + types, head + types + types_len
        while at < end:
            name, info, size_or_type = struct.unpack_from("<III", data, at)
            kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
            self._types.append(Type(kind, self.string(name), size_or_type, vlen, at + 12))
            fixed, each = _MEMBER_BYTES.get(kind, (0, 0))
            at += 12 + fixed + each * vlen
        self._by_name = {}
        for index, found in enumerate(self._types):
            if found.name:
                self._by_name.setdefault((found.kind, found.plain_name), []).append(self._first + index)

    def __len__(self):
        return self._first + len(self._types)

    def string(self, offset):
        if offset < self._first_string:
            return self._base.string(offset)
        offset -= self._first_string
        return self._strings[offset:self._strings.index(b"\0", offset)].decode()

    def type(self, index):
        """The type with this id; None: void."""
        if index == 0:
            return None
        return self._types[index - self._first] if index >= self._first else self._base.type(index)

    def own(self):
        """(id, type) of each type that is not the base's."""
        return ((self._first + index, found) for index, found in enumerate(self._types))

    def ids(self, kinds, name):
        """Ids of the types of one of these kinds with this name, the base's first."""
        inherited = self._base.ids(kinds, name) if self._base else []
        return inherited + [i for kind in kinds for i in self._by_name.get((kind, name), ())]

    def skip(self, index):
        """The id behind typedefs and qualifiers."""
        while (found := self.type(index)) and found.kind in _WRAPPERS:
            index = found.size_or_type
        return index

    def _source(self, index):
        return self._data if index >= self._first else self._base._source(index)

    def members(self, index):
        """(name, type id) of each member of a struct or union, or parameter of a prototype."""
        found, data = self.type(index), self._source(index)
        step = 8 if found.kind == FUNC_PROTO else 12
        for at in range(found.data, found.data + step * found.vlen, step):
            name, member = struct.unpack_from("<II", data, at)
            yield self.string(name), member

    def variables(self, index):
        """Type ids of a DATASEC's variables and functions."""
        found, data = self.type(index), self._source(index)
        return [struct.unpack_from("<I", data, found.data + 12 * i)[0] for i in range(found.vlen)]

    def enumerators(self, index):
        found, data = self.type(index), self._source(index)
        step = 12 if found.kind == ENUM64 else 8
        return [self.string(struct.unpack_from("<I", data, found.data + step * i)[0]) for i in range(found.vlen)]

    def element(self, index):
        """The type id of an array's elements."""
        return struct.unpack_from("<I", self._source(index), self.type(index).data)[0]


@dataclasses.dataclass(frozen=True)
class Relocation:
    kind: int  # enum bpf_core_relo_kind
    type_id: int
    access: tuple  # indexes


FIELD_EXISTS, TYPE_EXISTS, ENUM_EXISTS, ENUM_VALUE, TYPE_MATCHES = 2, 8, 10, 11, 12
_OF_A_FIELD = range(0, 6)


def is_of_a_field(relocation):
    return relocation.kind in _OF_A_FIELD


def relocations(ext, types):
    """The CO-RE relocations in a .BTF.ext section."""
    head, = struct.unpack_from("<I", ext, 4)
    offset, length = struct.unpack_from("<II", ext, 24)
    at, end = head + offset, head + offset + length
    size, = struct.unpack_from("<I", ext, at)
    at += 4
    found = set()
    while at < end:
        _, count = struct.unpack_from("<II", ext, at)
        at += 8
        for _ in range(count):
            _, type_id, access, kind = struct.unpack_from("<IIII", ext, at)
            text = types.string(access)
            found.add(Relocation(kind, type_id, tuple(int(n) for n in text.split(":"))))
            at += size
    return found


def weak_symbols(elf):
    """Names of the weak symbols of an ELF file."""
    parts = sections(elf)
    table, names = parts[".symtab"], parts[".strtab"]
    found = set()
    for at in range(0, len(table), 24):
        name, info = struct.unpack_from("<IB", table, at)
        if info >> 4 == 2:
            found.add(names[name:names.index(b"\0", name)].decode())
    return found
