// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_OPENMETRICS_CHECKER_H_
#define PVSCHED_TESTS_UNIT_OPENMETRICS_CHECKER_H_

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace pvsched {

// A strict check of text in the OpenMetrics format 1.0, without timestamps and
// exemplars. Knows counter, gauge, info, and histogram without a sum.
class OpenMetricsChecker {
 public:
  // The first error, with its line; empty if there is none.
  std::string Check(const std::string& text) {
    if (!text.ends_with("\n# EOF\n")) return "the text does not end with # EOF";
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (is_ended_) return "a line after # EOF: " + line;
      std::string error = line.starts_with("#") ? CheckComment(line) : CheckSample(line);
      if (!error.empty()) return error.append(": ").append(line);
    }
    return CheckBuckets();
  }

  // Each sample by name and labels, as it stands in the text.
  const std::map<std::string, std::string>& samples() const { return samples_; }

 private:
  std::string CheckComment(const std::string& line) {
    if (line == "# EOF") {
      is_ended_ = true;
      return "";
    }
    static const std::regex kComment("# (TYPE|UNIT|HELP) ([a-z_]+) (.*)");
    std::smatch match;
    if (!std::regex_match(line, match, kComment)) return "not a comment of OpenMetrics";
    const std::string keyword = match[1];
    const std::string argument = match[3];
    if (keyword == "TYPE") {
      if (!families_.insert(match[2]).second) return "the family stands twice";
      if (!std::regex_match(argument, std::regex("counter|gauge|info|histogram"))) return "type";
      name_ = match[2];
      type_ = argument;
      seen_ = {keyword};
      return CheckBuckets();
    }
    if (match[2] != name_) return "not the family of the last TYPE";
    if (!seen_.insert(keyword).second) return "the keyword stands twice";
    if (keyword == "UNIT" && !name_.ends_with("_" + argument)) return "unit and name differ";
    return keyword == "HELP" && argument.empty() ? "no help" : "";
  }

  std::string CheckSample(const std::string& line) {
    static const std::regex kSample(R"re(([a-z_]+)(\{(.+)\})? (\S+))re");
    std::smatch match;
    if (!std::regex_match(line, match, kSample)) return "not a sample";
    if (!seen_.contains("HELP")) return "a sample before its HELP";
    seen_.insert({"UNIT", "HELP"});
    const std::string value = match[4];
    if (!std::regex_match(value, std::regex(R"([0-9]+(\.[0-9]+)?)"))) return "not a number";
    if (!samples_.emplace(match[1].str() + match[2].str(), value).second) return "it stands twice";
    std::map<std::string, std::string> labels;
    std::string error = CheckLabels(match[3], labels);
    if (!error.empty()) return error;
    const std::string suffix = match[1].str().substr(std::min(name_.size(), match[1].str().size()));
    if (!match[1].str().starts_with(name_)) return "not of this family";
    if (type_ == "counter") return suffix == "_total" ? "" : "a counter needs _total";
    if (type_ == "gauge") return suffix.empty() ? "" : "a gauge has no suffix";
    if (type_ == "info") return suffix == "_info" && value == "1" ? "" : "info needs _info and 1";
    return suffix == "_bucket" ? CheckBucket(labels, std::stod(value))
                               : "a histogram without a sum has buckets only";
  }

  static std::string CheckLabels(std::string text, std::map<std::string, std::string>& labels) {
    static const std::regex kLabel(R"re(^([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$))re");
    std::smatch match;
    while (!text.empty()) {
      if (!std::regex_search(text, match, kLabel)) return "not a label";
      if (!labels.emplace(match[1], match[2]).second) return "the label stands twice";
      const bool is_more = match[3] == ",";
      text = match.suffix();
      if (is_more && text.empty()) return "a comma at the end";
    }
    return "";
  }

  // Bounds and counts rise up to +Inf within a series.
  std::string CheckBucket(std::map<std::string, std::string> labels, double count) {
    if (!labels.contains("le")) return "a bucket without a bound";
    const std::string bound = labels.extract("le").mapped();
    std::string series;
    for (const auto& [name, value] : labels)
      series.append(name).append("=").append(value).append(",");
    if (series != series_) {
      if (std::string error = CheckBuckets(); !error.empty()) return error;
      series_ = series;
      bound_ = -1;
      count_ = 0;
      is_infinite_ = false;
    }
    if (is_infinite_) return "a bucket after +Inf";
    is_infinite_ = bound == "+Inf";
    const double number = is_infinite_ ? bound_ + 1 : std::stod(bound);
    if (number <= bound_ || count < count_) return "buckets do not rise";
    bound_ = number;
    count_ = count;
    return "";
  }

  std::string CheckBuckets() {
    if (!series_.empty() && !is_infinite_) return "no bucket +Inf before this";
    series_.clear();
    return "";
  }

  bool is_ended_ = false;
  std::string name_;
  std::string type_;
  std::set<std::string> seen_;
  std::set<std::string> families_;
  std::map<std::string, std::string> samples_;
  std::string series_;
  double bound_ = -1;
  double count_ = 0;
  bool is_infinite_ = false;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_OPENMETRICS_CHECKER_H_
