// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_PI_MUTEX_H_
#define PVSCHED_COMMON_PI_MUTEX_H_

#include <pthread.h>

namespace pvsched {

// A mutex with priority inheritance, which std::mutex and absl::Mutex lack. The
// actuator's real-time thread shares locks with SCHED_NORMAL threads. On a busy
// host a preempted owner would otherwise hold up the real-time thread for the
// length of the run queue. Meets Lockable, for std::lock_guard.
class PiMutex {
 public:
  PiMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~PiMutex() { pthread_mutex_destroy(&mutex_); }
  PiMutex(const PiMutex&) = delete;
  PiMutex& operator=(const PiMutex&) = delete;

  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace pvsched

#endif  // PVSCHED_COMMON_PI_MUTEX_H_
