// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_
#define PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/guest_range.h"
#include "common/paths.h"
#include "common/unique_fd.h"
#include "pvsched_control.h"
#include "vmm-device/daemon/path_watch.h"
#include "vmm-device/daemon/retry_delay.h"
#include "vmm-device/device.h"

namespace pvsched {

// Registers records with pvschedd, by the protocol of pvsched_control.h. Keeps
// the records, and registers them again with each pvschedd that starts. A
// request blocks for the timeout at most. All other work is done by events of
// fd(), which has none while the connection stands. Not thread-safe.
class ControlClient : public RecordSink {
 public:
  struct Options {
    std::string path{kDefaultDeviceSocket};
    std::string name;                        // of the VM, as pvschedctl shows it
    std::chrono::milliseconds timeout{500};  // below the 5 s that QEMU waits
  };

  static absl::StatusOr<std::unique_ptr<ControlClient>> Create(const Options& options);

  // The following records belong to the VM of the VMM process `vmm_pidfd`, which
  // is connected to `vfio_user_socket`: valid until EndSession(). Connects if
  // pvschedd runs.
  void StartSession(UniqueFd vmm_pidfd, int vfio_user_socket);

  // Closes the connection, which withdraws the remaining records.
  void EndSession();

  // Readable when HandleEvents() has work to do.
  int fd() const { return epoll_.get(); }
  void HandleEvents();

  bool connected() const { return static_cast<bool>(connection_); }

  // The registration's fds must stay open until the record is withdrawn. OK also
  // if pvschedd has no room for the record now: it is registered when there is.
  absl::Status Register(uint32_t vcpu_id, const Registration& registration) override;
  absl::Status Withdraw(uint32_t vcpu_id) override;
  absl::Status WithdrawAll() override;

 private:
  using Clock = std::chrono::steady_clock;

  ControlClient(const Options& options, UniqueFd epoll, UniqueFd timer,
                std::unique_ptr<PathWatch> watch);

  absl::Status Connect();
  absl::Status SendHello();
  absl::Status TryToConnect();
  void RegisterWaiting();
  void WaitForRoom(uint32_t vcpu_id, const absl::Status& reason);
  void Disconnect();
  void DisconnectAndRetry(RetryReason reason);
  void ScheduleRetry(RetryReason reason);
  void ArmTimer(std::chrono::milliseconds delay);

  absl::Status SendRegister(uint32_t vcpu_id, const Registration& registration);
  absl::Status SendWithdrawal(uint16_t type, uint32_t vcpu_id);
  absl::Status Request(pvsched_control_msg request, int fd);
  absl::StatusOr<pvsched_control_msg> Exchange(const pvsched_control_msg& request, int fd);
  absl::Status WaitFor(int16_t events, Clock::time_point deadline);

  const Options options_;
  UniqueFd epoll_;  // waits for the three below
  UniqueFd timer_;  // the next attempt to connect, or to register what waits
  std::unique_ptr<PathWatch> watch_;
  UniqueFd connection_;

  UniqueFd vmm_;                                // pidfd; none between sessions
  int vfio_user_socket_ = -1;                   // -1: the socket proves nothing to pvschedd
  uint16_t version_ = PVSCHED_CONTROL_VERSION;  // that pvschedd understands
  std::map<uint32_t, Registration> records_;    // by APIC id: with pvschedd, or kept for it
  std::set<uint32_t> waiting_;                  // of records_: those without room at pvschedd
  uint32_t seq_ = 0;

  // A pvschedd did not reply, and neither has ended nor replied since. It may
  // still access memory that was withdrawn.
  bool is_use_unconfirmed_ = false;
  // pvschedd's reason to refuse this VM; empty if it accepted the VM or is not
  // running.
  std::string refusal_;
  RetryDelay retry_delay_;
  std::chrono::milliseconds room_delay_{};  // before waiting_ is registered again
  Clock::time_point connected_at_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_
