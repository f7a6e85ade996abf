// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_COMMON_PI_MUTEX_H_
#define PVSCHED_COMMON_PI_MUTEX_H_

#include <pthread.h>

namespace pvsched {

// A mutex with priority inheritance, which std::mutex and absl::Mutex lack:
// the actuator's real-time thread must not wait for an ordinary thread that a
// busy host keeps from running. For use with std::lock_guard.
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
