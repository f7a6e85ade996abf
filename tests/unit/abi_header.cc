// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/unit/abi_header.h"

#include <fstream>
#include <regex>

namespace pvsched {

std::vector<AbiValue> AbiValues(const std::string& prefix) {
  // "#define NAME VALUE /* COMMENT */" or "NAME = VALUE, /* COMMENT */", where
  // VALUE is a number or "(1ull << NUMBER)".
  const std::regex line_format("^(?:#define\\s+|\\s+)" + prefix +
                               "(\\w+)\\s+(?:=\\s*)?(?:\\(1ull << (\\d+)\\)|(0x[0-9a-f]+|\\d+)),?"
                               "\\s*(?:/\\*\\s*(.*?)\\s*\\*/)?\\s*$");
  std::vector<AbiValue> values;
  std::ifstream header(PVSCHED_ABI_HEADER);
  for (std::string line; std::getline(header, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, line_format)) continue;
    const uint64_t value =
        match[2].matched ? uint64_t{1} << std::stoul(match[2]) : std::stoull(match[3], nullptr, 0);
    values.push_back({.name = match[1], .value = value, .comment = match[4]});
  }
  return values;
}

}  // namespace pvsched
