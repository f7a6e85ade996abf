// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/ring.h"

#include <bpf/libbpf.h>

namespace pvsched {

Ring::Ring(int map_fd, std::function<void(const void*, size_t)> on_event)
    : on_event_(std::move(on_event)), ring_(ring_buffer__new(map_fd, OnSample, this, nullptr)) {}

Ring::~Ring() { ring_buffer__free(ring_); }

int Ring::WaitFd() const { return ring_buffer__epoll_fd(ring_); }

void Ring::Consume() { ring_buffer__consume_n(ring_, kMostEvents); }

int Ring::OnSample(void* self, void* data, size_t size) {
  static_cast<Ring*>(self)->on_event_(data, size);
  return 0;
}

}  // namespace pvsched
