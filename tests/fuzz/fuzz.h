// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_FUZZ_FUZZ_H_
#define PVSCHED_TESTS_FUZZ_FUZZ_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "absl/types/span.h"
#include "common/unique_fd.h"

// What the fuzz targets share. A target defines LLVMFuzzerTestOneInput(), which libFuzzer calls
// with one input after the other. It keeps no state between two inputs.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace pvsched {

// Ends the program with the reason if a property does not hold. libFuzzer then keeps the input.
void Require(bool holds, const char* property);

// Reads an input from its front. After the end all values are 0 and all bytes are empty.
class FuzzInput {
 public:
  using Bytes = absl::Span<const uint8_t>;

  FuzzInput(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool is_empty() const { return rest_.empty(); }

  Bytes Take(size_t size) {
    const Bytes taken = rest_.subspan(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  T Take() {
    T value = {};
    const Bytes bytes = Take(sizeof(T));
    if (!bytes.empty()) memcpy(static_cast<void*>(&value), bytes.data(), bytes.size());
    return value;
  }
  // A value of `minimum` to `maximum`, from as few bytes as that range needs.
  uint64_t InRange(uint64_t minimum, uint64_t maximum);
  bool Flag() { return (Take<uint8_t>() & 1) != 0; }

 private:
  Bytes rest_;
};

// Fails if fewer or more descriptors are open at the end of a block than at its start. The block
// may open and close any.
class FdLeakCheck {
 public:
  FdLeakCheck() : open_(Count()) {}
  ~FdLeakCheck() { Require(Count() == open_, "no descriptor stays open"); }
  FdLeakCheck(const FdLeakCheck&) = delete;
  FdLeakCheck& operator=(const FdLeakCheck&) = delete;

 private:
  static int Count();

  const int open_;
};

// A memfd of this size.
UniqueFd MakeMemory(uint64_t size);

// A file with this text, in memory. Its path is valid while the object lives.
class FuzzFile {
 public:
  FuzzFile();
  void Write(FuzzInput::Bytes bytes);
  const std::string& path() const { return path_; }

 private:
  UniqueFd fd_;
  std::string path_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_FUZZ_FUZZ_H_
