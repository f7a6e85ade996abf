// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_
#define PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "pvsched_control.h"
#include "vmm-device/daemon/path_watch.h"
#include "vmm-device/device.h"

namespace pvsched {

// Hands records to pvschedd (pvsched_control.h). pvschedd may come and go: the
// records are kept and handed over again each time it is there. Requests block
// for the time-out at most; in between, everything happens by events on fd(),
// and there are none while the connection stands and nobody closes it. Not
// thread-safe.
class ControlClient : public RecordSink {
 public:
  struct Options {
    std::string path = PVSCHED_CONTROL_DEFAULT_PATH;
    std::string name;  // of the VM, for people
    std::chrono::milliseconds timeout{500};
  };

  static absl::StatusOr<std::unique_ptr<ControlClient>> Create(const Options& options);

  // From here on records are the VM's whose process `vmm_pidfd` is. Connects if
  // pvschedd is there.
  void StartSession(UniqueFd vmm_pidfd);

  // Closes the connection, which withdraws all that is left.
  void EndSession();

  // Readable when HandleEvents() has something to do.
  int fd() const { return epoll_.get(); }
  void HandleEvents();

  bool connected() const { return static_cast<bool>(connection_); }

  // The file must stay open until Withdraw() or WithdrawAll().
  absl::Status Register(uint32_t vcpu, int fd, uint64_t offset, const Extras& extras) override;
  absl::Status Withdraw(uint32_t vcpu) override;
  absl::Status WithdrawAll() override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Place {
    int fd;  // borrowed, as the one in extras
    uint64_t offset;
    Extras extras;
  };

  ControlClient(const Options& options, UniqueFd epoll, UniqueFd timer,
                std::unique_ptr<PathWatch> watch);

  absl::Status Connect();
  absl::Status Introduce();
  void TryToConnect();
  void Disconnect();
  void Lose();
  void RetryLater(bool somebody_listens);

  absl::Status SendRegister(uint32_t vcpu, const Place& place);
  absl::Status FinishWithdrawal(uint16_t type, uint32_t vcpu);
  absl::Status Request(uint16_t type, uint32_t vcpu, uint64_t offset, int fd,
                       const Extras& extras = {});
  absl::StatusOr<pvsched_control_msg> Exchange(const pvsched_control_msg& request, int fd);
  absl::Status WaitFor(int16_t events, Clock::time_point deadline);

  const Options options_;
  UniqueFd epoll_;  // of the three below
  UniqueFd timer_;
  std::unique_ptr<PathWatch> watch_;
  UniqueFd connection_;

  UniqueFd vmm_;
  std::map<uint32_t, Place> records_;  // what pvschedd has or is to get
  uint32_t seq_ = 0;

  // pvschedd did not answer, and was not heard of since: it may still use
  // memory that it was given.
  bool unsettled_ = false;
  // Why pvschedd does not want this VM; empty if it does, or is not there.
  std::string refusal_;
  std::chrono::milliseconds retry_delay_;
  Clock::time_point connected_since_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_CONTROL_CLIENT_H_
