// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_HELD_SESSION_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_HELD_SESSION_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "vmm-device/supervisor/device_process.h"
#include "vmm-device/supervisor/fd_store.h"
#include "vmm-device/supervisor/kept_session.h"

namespace pvsched {

// Everything of one VM that outlives its device process: the connection, the
// state, the files of guest memory. Starts the process, and starts it again
// when it ends before the session does. Reads nothing that the VMM or the guest
// wrote. Gives the descriptors to systemd too, so that the session outlives this
// process. For the event loop's thread.
class HeldSession {
 public:
  struct Options {
    std::vector<std::string> command;  // of the device, without what a session adds
    std::string name;                  // of the VM
    uid_t uid = 0;                     // of the VMM's process
    uint64_t id = 0;                   // unique in `store`
    FdStore* store = nullptr;          // borrowed
  };

  // Serves the VMM that is connected to `fds.socket`. If that is the only
  // descriptor, the session begins; if `fds` is complete, it continues. `on_end` is
  // called once the session is over; it may destroy the session.
  static absl::StatusOr<std::unique_ptr<HeldSession>> Start(EventLoop* loop, KeptDescriptors fds,
                                                            Options options,
                                                            std::function<void()> on_end);
  // Ends the device process and closes the connection. The descriptor store keeps
  // what it has.
  ~HeldSession();
  HeldSession(const HeldSession&) = delete;
  HeldSession& operator=(const HeldSession&) = delete;

  const std::string& name() const { return options_.name; }
  uid_t uid() const { return options_.uid; }

  // For the end of this process: asks the device to end between two requests, and
  // waits for that until `deadline`.
  void AskDeviceToEnd();
  void AwaitDeviceEnd(std::chrono::steady_clock::time_point deadline);

 private:
  using Clock = std::chrono::steady_clock;

  HeldSession(EventLoop* loop, KeptDescriptors fds, Options options, std::function<void()> on_end);

  absl::Status WatchTimer();
  absl::Status MakeDescriptors();
  void Forget();
  absl::Status StartDevice();
  std::vector<std::string> MakeCommand(int supervisor_end) const;
  // Handles the messages of hand_over.h that the device has sent.
  void ReadMessages();
  bool ReadMessage();
  void Hold(uint32_t file, UniqueFd fd);
  void Drop(uint32_t file);
  void OnDeviceEnd();
  void StartAgainLater();
  void OnTimer();
  void CloseDevice();
  void GiveUp(absl::Status reason);
  void End();

  EventLoop* const loop_;
  const Options options_;
  const std::function<void()> on_end_;

  KeptDescriptors fds_;

  DeviceProcess device_;
  UniqueFd messages_;  // from the device
  UniqueFd timer_;
  bool is_ready_ = false;         // the present device has continued the session
  int failed_starts_ = 0;         // since a device was ready
  int quick_ends_ = 0;            // of devices that ended soon, whether ready or not
  Clock::time_point started_;     // the present device
  Clock::time_point last_ready_;  // any device
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_HELD_SESSION_H_
