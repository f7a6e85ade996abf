// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_TEXT_TABLE_H_
#define PVSCHED_COMMON_TEXT_TABLE_H_

#include <algorithm>
#include <string>
#include <vector>

namespace pvsched {

using Row = std::vector<std::string>;

// Formats `rows` as left-aligned columns. All rows have the same length; the
// first row is the heading.
inline std::string TextTable(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - row[i].size() + 2, ' ');
    }
    text.push_back('\n');
  }
  return text;
}

}  // namespace pvsched

#endif  // PVSCHED_COMMON_TEXT_TABLE_H_
