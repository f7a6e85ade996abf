// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// The reference page on the ABI against shared-abi/pvsched_abi.h.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/unit/abi_header.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

using Row = std::vector<std::string>;
struct Table {
  Row header;
  std::vector<Row> rows;

  std::string Cell(const Row& row, const std::string& column) const {
    const auto at = std::find(header.begin(), header.end(), column) - header.begin();
    return static_cast<size_t>(at) < row.size() ? row[at] : "";
  }
};

std::string Page() {
  const std::filesystem::path docs = PVSCHED_DOCS;
  std::filesystem::path page = docs / "reference" / "abi.md";
  if (!std::filesystem::exists(page)) page = docs / "abi.md";
  std::stringstream text;
  text << std::ifstream(page).rdbuf();
  return text.str();
}

Row Cells(std::string line) {
  // An escaped bar is part of its cell.
  for (size_t at; (at = line.find("\\|")) != std::string::npos;) line.replace(at, 2, "/");
  Row cells = absl::StrSplit(line, '|');
  cells.erase(cells.begin());
  cells.pop_back();
  for (std::string& cell : cells) {
    cell.erase(std::remove(cell.begin(), cell.end(), '`'), cell.end());
    cell = std::string(absl::StripAsciiWhitespace(cell));
  }
  return cells;
}

// The page's first table whose header has these columns.
Table FindTable(const Row& columns) {
  Table table;
  bool is_found = false;
  std::istringstream page(Page());
  for (std::string line, before; std::getline(page, line); before = line) {
    const bool is_row = absl::StartsWith(line, "|");
    if (is_found && !is_row) break;
    if (is_found) {
      table.rows.push_back(Cells(line));
    } else if (absl::StartsWith(line, "| ---")) {
      table.header = Cells(before);
      is_found = std::all_of(columns.begin(), columns.end(), [&](const std::string& column) {
        return std::count(table.header.begin(), table.header.end(), column) != 0;
      });
    }
  }
  return is_found ? table : Table{};
}

// Compares names with the table's column `name` and values with its first column.
void ExpectTable(const Table& table, const std::vector<AbiValue>& values,
                 std::string (*format)(uint64_t value)) {
  EXPECT_FALSE(values.empty());
  std::vector<Row> expected, actual;
  for (const AbiValue& value : values) expected.push_back({format(value.value), value.name});
  for (const Row& row : table.rows) actual.push_back({row[0], table.Cell(row, "name")});
  EXPECT_THAT(actual, ::testing::UnorderedElementsAreArray(expected));
}

std::string Decimal(uint64_t value) { return absl::StrFormat("%d", value); }
std::string Bit(uint64_t value) { return Decimal(__builtin_ctzll(value)); }
std::string Flag(uint64_t value) { return absl::StrFormat("0x%02x", value); }

TEST(AbiPage, RegistersHaveTheHeadersOffsetsWidthsAndAccess) {
  const Table table = FindTable({"offset", "bits", "access", "name"});
  std::vector<Row> expected, actual;
  for (const AbiValue& reg : AbiValues("PVSCHED_REG_")) {
    const Row comment = absl::StrSplit(reg.comment, ' ', absl::SkipEmpty());
    ASSERT_FALSE(comment.empty()) << reg.name << " has no access in the header";
    const bool is_quad = comment.size() > 1 && comment[1] == "q";
    expected.push_back(
        {absl::StrFormat("0x%03x", reg.value), is_quad ? "64" : "32", comment[0], reg.name});
  }
  for (const Row& row : table.rows) {
    actual.push_back({table.Cell(row, "offset"), table.Cell(row, "bits"), table.Cell(row, "access"),
                      table.Cell(row, "name")});
  }
  EXPECT_EQ(expected.size(), 13u);
  EXPECT_EQ(actual, expected);
}

TEST(AbiPage, ConstantRegistersHaveTheHeadersValues) {
  const Table table = FindTable({"offset", "access", "name"});
  for (const Row& row : table.rows) {
    const std::string name = table.Cell(row, "name");
    if (name == "MAGIC") {
      EXPECT_EQ(row.back(), absl::StrFormat("%#x", PVSCHED_MAGIC));
    }
    if (name == "RECORD_SIZE") {
      EXPECT_EQ(row.back(), Decimal(PVSCHED_RECORD_SIZE));
    }
  }
}

TEST(AbiPage, ResultsHaveTheHeadersValuesInTheOrderOfTheChecks) {
  const Table table = FindTable({"name", "registration", "withdrawal"});
  ExpectTable(table, AbiValues("PVSCHED_RESULT_"), Decimal);
  // The order of the checks is the order of the values; OK is the last row.
  for (size_t i = 0; i + 1 < table.rows.size(); ++i) {
    EXPECT_EQ(table.rows[i][0], Decimal(i + 1));
  }
}

TEST(AbiPage, FeaturesHaveTheHeadersBits) {
  ExpectTable(FindTable({"bit", "name"}), AbiValues("PVSCHED_F_"), Bit);
}

TEST(AbiPage, GrantFlagsHaveTheHeadersValues) {
  ExpectTable(FindTable({"flag", "name"}), AbiValues("PVSCHED_GRANT_"), Flag);
}

TEST(AbiPage, DeviceHasTheHeadersIdentity) {
  EXPECT_THAT(Page(), HasSubstr(absl::StrFormat("`%04x:%04x`", PVSCHED_PCI_VENDOR_ID,
                                                PVSCHED_PCI_DEVICE_ID)));
  EXPECT_THAT(Page(), HasSubstr(absl::StrFormat("class %04x", PVSCHED_PCI_CLASS >> 8)));
}

TEST(AbiHeader, TextHasTheValuesOfTheCompiler) {
  const std::vector<AbiValue> results = AbiValues("PVSCHED_RESULT_");
  ASSERT_FALSE(results.empty());
  EXPECT_EQ(results.back().name, "HOST_TIMEOUT");
  EXPECT_EQ(results.back().value, uint64_t{PVSCHED_RESULT_HOST_TIMEOUT});
  EXPECT_EQ(AbiValues("PVSCHED_REG_").back().value, uint64_t{PVSCHED_REG_REGISTERED});
  EXPECT_EQ(AbiValues("PVSCHED_F_").back().value, PVSCHED_F_RAN_URGENT);
  EXPECT_EQ(AbiValues("PVSCHED_GRANT_").back().value, uint64_t{PVSCHED_GRANT_CRITICAL});
}

}  // namespace
}  // namespace pvsched
