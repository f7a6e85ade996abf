// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_RING_H_
#define PVSCHED_HOST_POLICY_LOADER_RING_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

struct ring_buffer;

namespace pvsched {

// The reading end of a BPF ring buffer.
class Ring {
 public:
  // `map_fd` may be closed once this returns.
  Ring(int map_fd, std::function<void(const void*, size_t)> on_event);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Readable while there are events to consume.
  int WaitFd() const;
  // Consumes at most kMostEvents. A producer that is faster than the consumer would
  // otherwise keep the caller from its other events.
  void Consume();
  static constexpr size_t kMostEvents = 256;

 private:
  static int OnSample(void* self, void* data, size_t size);
  std::function<void(const void*, size_t)> on_event_;
  ring_buffer* ring_ = nullptr;
};

// A ring whose events are all of one type.
template <typename Event>
std::unique_ptr<Ring> MakeRing(int map_fd, std::function<void(const Event&)> on_event) {
  return std::make_unique<Ring>(
      map_fd, [on_event = std::move(on_event)](const void* data, size_t /*size*/) {
        on_event(*static_cast<const Event*>(data));
      });
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_RING_H_
