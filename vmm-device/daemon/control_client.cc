// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/control_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "common/peer.h"
#include "common/unix_socket.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;

// The first delay of records that wait for room. Room comes when a VM ends.
constexpr milliseconds kMinRoomDelay{1000};
// A pvschedd that ended after this time was not in a crash loop: the delay
// starts at the minimum.
constexpr std::chrono::seconds kStableConnection{10};

constexpr int kNoFd = -1;

pvsched_control_msg MakeRequest(uint16_t type, uint32_t vcpu_id = 0) {
  pvsched_control_msg request{};
  request.magic = PVSCHED_CONTROL_MAGIC;
  request.type = type;
  request.vcpu_id = vcpu_id;
  return request;
}

// An older pvschedd replies with its own version.
bool IsReplyTo(const pvsched_control_msg& request, const pvsched_control_msg& reply) {
  return reply.magic == PVSCHED_CONTROL_MAGIC && reply.version <= request.version &&
         reply.type == (request.type | PVSCHED_CONTROL_REPLY) && reply.seq == request.seq;
}

// pvschedd is about to close a connection that has no VM.
bool IsFarewell(const pvsched_control_msg& message) {
  return message.magic == PVSCHED_CONTROL_MAGIC && message.seq == 0 && message.error == EAGAIN &&
         message.type == (PVSCHED_CONTROL_HELLO | PVSCHED_CONTROL_REPLY);
}

// pvschedd refuses other memory. To pass a file whose close waits would use up what the user of
// this process may have of such files.
absl::Status CheckIsMemory(int fd) {
  if (fcntl(fd, F_GET_SEALS) >= 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "guest memory must be a memfd, shared memory or huge pages (memory-backend-memfd)");
}

std::string TextOf(const pvsched_control_msg& msg) {
  return absl::CHexEscape(absl::string_view(msg.text, strnlen(msg.text, sizeof(msg.text))));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Create(const Options& options) {
  RETURN_IF_ERROR(CheckUnixPath(options.path));
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return ErrnoStatus(errno, "epoll_create1");
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return ErrnoStatus(errno, "timerfd_create");
  ASSIGN_OR_RETURN(std::unique_ptr<PathWatch> watch, PathWatch::Create(options.path));
  for (const int fd : {timer.get(), watch->fd()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return ErrnoStatus(errno, "epoll_ctl");
    }
  }
  return absl::WrapUnique(
      new ControlClient(options, std::move(epoll), std::move(timer), std::move(watch)));
}

ControlClient::ControlClient(const Options& options, UniqueFd epoll, UniqueFd timer,
                             std::unique_ptr<PathWatch> watch)
    : options_(options),
      epoll_(std::move(epoll)),
      timer_(std::move(timer)),
      watch_(std::move(watch)) {}

void ControlClient::StartSession(UniqueFd vmm_pidfd, int vfio_user_socket) {
  vmm_ = std::move(vmm_pidfd);
  vfio_user_socket_ = CheckAcceptedSocket(vfio_user_socket).ok() ? vfio_user_socket : kNoFd;
  retry_delay_.Restart();
  watch_->Arm();
  const absl::Status status = TryToConnect();
  if (absl::IsNotFound(status) || absl::IsUnavailable(status)) {
    LOG(INFO) << "pvschedd does not listen on " << options_.path
              << " yet: records are kept until it does";
  }
}

void ControlClient::EndSession() {
  Disconnect();
  watch_->Disarm();
  records_.clear();
  waiting_.clear();
  refusal_.clear();
  is_use_unconfirmed_ = false;
  vmm_.reset();
  vfio_user_socket_ = kNoFd;
}

void ControlClient::HandleEvents() {
  epoll_event events[3];
  const int n = epoll_wait(epoll_.get(), events, 3, 0);
  bool is_due = false;
  bool is_lost = false;
  for (int i = 0; i < n; ++i) {
    const int fd = events[i].data.fd;
    if (fd == timer_.get()) {
      uint64_t expirations;
      is_due |= read(fd, &expirations, sizeof(expirations)) > 0;
    } else if (fd == watch_->fd()) {
      if (!watch_->Drain() || !vmm_ || connected()) continue;
      watch_->Arm();
      retry_delay_.Restart();
      is_due = true;
    } else {
      is_lost = true;  // pvschedd sends replies only, so this is the end of the stream
    }
  }
  if (is_lost && connected()) {
    LOG(WARNING) << "pvschedd closed the connection: " << records_.size()
                 << " records are kept until it accepts a new one";
    version_ = PVSCHED_CONTROL_VERSION;  // the next one may be newer
    DisconnectAndRetry(RetryReason::kRefused);
  } else if (is_due && vmm_) {
    if (connected()) {
      RegisterWaiting();
    } else {
      (void)TryToConnect();
    }
  }
}

absl::Status ControlClient::TryToConnect() {
  refusal_.clear();
  absl::Status status = Connect();
  if (status.ok()) {
    watch_->Disarm();
    LOG(INFO) << "connected to pvschedd, with " << records_.size() << " records";
    return status;
  }
  if (absl::IsPermissionDenied(status) || absl::IsAlreadyExists(status)) {
    refusal_ = std::string(status.message());
    LOG(ERROR) << "pvschedd refuses the VM: " << refusal_;
    Disconnect();
    // AlreadyExists: pvschedd may not have seen the end of the last connection
    // yet, so retry. Retry also if pvschedd got no proof: it may not be of version 1,
    // but have ended during the last HELLO. Any other refusal is final for this pvschedd.
    const bool had_no_proof = version_ == 1 && vfio_user_socket_ >= 0;
    if (had_no_proof) version_ = PVSCHED_CONTROL_VERSION;
    if (absl::IsAlreadyExists(status) || had_no_proof) ScheduleRetry(RetryReason::kRefused);
    return status;
  }
  if (connected()) {  // no room
    LOG(WARNING) << "pvschedd has no room for the VM now, and is asked again later: "
                 << status.message();
    Disconnect();
  }
  VLOG(1) << "not connected to pvschedd: " << status;
  // NotFound: the watch reports the socket. Aborted: the retry is scheduled.
  if (absl::IsUnavailable(status)) ScheduleRetry(RetryReason::kNoListener);
  if (absl::IsResourceExhausted(status)) ScheduleRetry(RetryReason::kRefused);
  return status;
}

// NotFound: there is no socket that this process may connect to. Unavailable:
// no process listens on it. ResourceExhausted: pvschedd's backlog is full, or
// pvschedd has no room for the VM, and the connection stands. AlreadyExists: the VM has another
// connection. PermissionDenied: pvschedd refuses the VM. Others: the connection was lost.
absl::Status ControlClient::Connect() {
  absl::StatusOr<UniqueFd> fd = ConnectUnix(options_.path, SOCK_SEQPACKET | SOCK_NONBLOCK);
  if (!fd.ok()) {
    const absl::Status& status = fd.status();
    // A pvschedd that does not listen has ended, and accesses no memory.
    if (absl::IsNotFound(status) || absl::IsUnavailable(status)) is_use_unconfirmed_ = false;
    if (absl::IsUnavailable(status) || absl::IsResourceExhausted(status)) return status;
    return absl::NotFoundError(status.message());
  }
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd->get()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  connection_ = *std::move(fd);
  connected_at_ = Clock::now();
  return SendHello();
}

// Introduces the VM, and registers the records that were kept.
absl::Status ControlClient::SendHello() {
  pvsched_control_msg hello = MakeRequest(PVSCHED_CONTROL_HELLO);
  options_.name.copy(hello.text, sizeof(hello.text) - 1);
  // pvschedd asks the kernel who connected to the socket. Its version 1 takes
  // only a pidfd, and closes the connection of a newer version.
  const bool has_proof = version_ > 1 && vfio_user_socket_ >= 0;
  if (absl::Status status = Request(hello, has_proof ? vfio_user_socket_ : vmm_.get());
      !status.ok()) {
    if (!absl::IsUnavailable(status)) return status;
    version_ = version_ == 1 ? PVSCHED_CONTROL_VERSION : 1;
    return absl::AbortedError(status.message());
  }
  is_use_unconfirmed_ = false;
  for (const auto& [vcpu_id, registration] : records_) {
    const absl::Status status = SendRegister(vcpu_id, registration);
    if (!connected()) return absl::AbortedError(status.message());
    if (absl::IsResourceExhausted(status)) {
      WaitForRoom(vcpu_id, status);
    } else if (!status.ok()) {
      // The guest has RESULT_OK for it, so the record is kept for the next
      // pvschedd.
      LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_id
                                  << ": pvschedd refuses its record: " << status.message();
    }
  }
  return absl::OkStatus();
}

// The guest has RESULT_OK for the record. It is not withdrawn: room comes when
// another VM ends.
void ControlClient::WaitForRoom(uint32_t vcpu_id, const absl::Status& reason) {
  LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu_id
                              << ": pvschedd has no room for its record now, and is asked again "
                                 "later: "
                              << reason.message();
  if (waiting_.empty()) {
    room_delay_ = kMinRoomDelay;
    ArmTimer(room_delay_);
  }
  waiting_.insert(vcpu_id);
}

// Registers what waits, until there is no room again.
void ControlClient::RegisterWaiting() {
  while (!waiting_.empty()) {
    const uint32_t vcpu_id = *waiting_.begin();
    const absl::Status status = SendRegister(vcpu_id, records_.at(vcpu_id));
    if (!connected()) return;  // all records are registered with the next connection
    if (absl::IsResourceExhausted(status)) {
      room_delay_ = std::min(room_delay_ * 2, RetryDelay::kMaxRefused);
      return ArmTimer(room_delay_);
    }
    LOG_IF(WARNING, !status.ok()) << "vCPU " << vcpu_id
                                  << ": pvschedd refuses its record: " << status.message();
    waiting_.erase(vcpu_id);
  }
  LOG(INFO) << "pvschedd has room for all records of the VM";
}

void ControlClient::Disconnect() {
  waiting_.clear();
  ArmTimer(milliseconds(0));
  connection_.reset();  // which also removes it from epoll_
}

// The watch is armed before the next attempt: a socket that appears in between
// is then reported. It is not armed again later, which would drop events.
void ControlClient::DisconnectAndRetry(RetryReason reason) {
  Disconnect();
  watch_->Arm();
  ScheduleRetry(reason);
}

void ControlClient::ScheduleRetry(RetryReason reason) {
  if (reason != RetryReason::kNoListener && Clock::now() - connected_at_ > kStableConnection) {
    retry_delay_.Restart();
  }
  if (const auto delay = retry_delay_.Next(reason)) ArmTimer(*delay);
}

// 0: disarms it.
void ControlClient::ArmTimer(milliseconds delay) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(delay);
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = seconds.count(),
                                     .tv_nsec = std::chrono::nanoseconds(delay - seconds).count()}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
}

absl::Status ControlClient::Register(uint32_t vcpu_id, const Registration& registration) {
  if (!refusal_.empty()) return absl::PermissionDeniedError(refusal_);
  if (connected()) {
    const absl::Status status = SendRegister(vcpu_id, registration);
    if (absl::IsResourceExhausted(status)) {
      WaitForRoom(vcpu_id, status);
    } else if (!status.ok() && !absl::IsUnavailable(status)) {
      // Unavailable: pvschedd has just ended, and the record is kept for the next.
      return status;
    }
  }
  records_[vcpu_id] = registration;
  return absl::OkStatus();
}

absl::Status ControlClient::SendRegister(uint32_t vcpu_id, const Registration& registration) {
  RETURN_IF_ERROR(CheckIsMemory(registration.record.fd));
  if (registration.preempt_count.is_set()) {
    RETURN_IF_ERROR(CheckIsMemory(registration.preempt_count.fd));
    pvsched_control_msg request = MakeRequest(PVSCHED_CONTROL_PREEMPT_COUNT, vcpu_id);
    request.offset = registration.preempt_count.offset;
    request.mask = registration.preempt_count_mask;
    RETURN_IF_ERROR(Request(request, registration.preempt_count.fd));
  }
  pvsched_control_msg request = MakeRequest(PVSCHED_CONTROL_REGISTER, vcpu_id);
  request.offset = registration.record.offset;
  request.features = registration.features;
  return Request(request, registration.record.fd);
}

absl::Status ControlClient::Withdraw(uint32_t vcpu_id) {
  if (records_.erase(vcpu_id) == 0 && !is_use_unconfirmed_) return absl::OkStatus();
  // pvschedd has refused such a record, and so does not access it.
  if (waiting_.erase(vcpu_id) != 0) return absl::OkStatus();
  return SendWithdrawal(PVSCHED_CONTROL_WITHDRAW, vcpu_id);
}

absl::Status ControlClient::WithdrawAll() {
  waiting_.clear();
  if (std::exchange(records_, {}).empty() && !is_use_unconfirmed_) return absl::OkStatus();
  return SendWithdrawal(PVSCHED_CONTROL_WITHDRAW_ALL, 0);
}

absl::Status ControlClient::SendWithdrawal(uint16_t type, uint32_t vcpu_id) {
  if (connected()) {
    const absl::Status status = Request(MakeRequest(type, vcpu_id), kNoFd);
    // After any reply, also a refusal, pvschedd has no such record. A pvschedd
    // that has ended accesses no memory.
    if (!absl::IsDeadlineExceeded(status)) return absl::OkStatus();
  }
  return is_use_unconfirmed_ ? absl::DeadlineExceededError("pvschedd does not reply")
                             : absl::OkStatus();
}

// Sends `request` and waits for the reply. PermissionDenied, AlreadyExists:
// pvschedd refuses the request. ResourceExhausted: it has no room now. Other
// errors close the connection. DeadlineExceeded: no valid reply in time.
// Unavailable: pvschedd closed it. Aborted: the same, and pvschedd said why.
absl::Status ControlClient::Request(pvsched_control_msg request, int fd) {
  request.seq = ++seq_;
  request.version = version_;
  const absl::StatusOr<pvsched_control_msg> reply = Exchange(request, fd);
  if (reply.ok()) {
    if (reply->error == 0) return absl::OkStatus();
    const std::string why = absl::StrCat(TextOf(*reply), " (", strerror(reply->error), ")");
    if (reply->error == EAGAIN) return absl::ResourceExhaustedError(why);
    return reply->error == EEXIST ? absl::AlreadyExistsError(why)
                                  : absl::PermissionDeniedError(why);
  }
  // A late reply would be read as the next request's, so the connection ends.
  LOG(WARNING) << "connection to pvschedd closed: " << reply.status().message();
  if (absl::IsUnavailable(reply.status()) || absl::IsAborted(reply.status())) {
    DisconnectAndRetry(RetryReason::kRefused);
    return reply.status();
  }
  DisconnectAndRetry(RetryReason::kNoReply);
  is_use_unconfirmed_ = true;
  return absl::DeadlineExceededError(reply.status().message());
}

absl::StatusOr<pvsched_control_msg> ControlClient::Exchange(const pvsched_control_msg& request,
                                                            int fd) {
  const Clock::time_point deadline = Clock::now() + options_.timeout;
  const absl::Span<const int> fds = absl::MakeConstSpan(&fd, fd == kNoFd ? 0 : 1);
  for (;;) {
    const absl::StatusOr<std::optional<size_t>> sent =
        SendWithFds(connection_.get(), &request, sizeof(request), fds);
    // pvschedd may have said why it closed the connection.
    if (absl::IsUnavailable(sent.status())) break;
    if (!sent.ok()) return sent.status();
    if (*sent) break;  // packets are sent whole
    RETURN_IF_ERROR(WaitFor(POLLOUT, deadline));
  }
  for (;;) {
    RETURN_IF_ERROR(WaitFor(POLLIN, deadline));
    pvsched_control_msg reply;
    const absl::StatusOr<std::optional<FdMessage>> received =
        ReceiveWithFds(connection_.get(), &reply, sizeof(reply), /*max_fds=*/0);
    if (absl::IsOutOfRange(received.status())) {
      return absl::UnavailableError("pvschedd closed the connection");
    }
    if (!received.ok()) return received.status();
    if (!received->has_value()) continue;
    if ((*received)->size == sizeof(reply) && IsFarewell(reply)) {
      return absl::AbortedError(TextOf(reply));
    }
    if ((*received)->size != sizeof(reply) || (*received)->is_truncated ||
        !IsReplyTo(request, reply)) {
      return absl::InternalError("pvschedd's reply does not match the request");
    }
    return reply;
  }
}

absl::Status ControlClient::WaitFor(int16_t events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError("pvschedd does not reply");
    pollfd poll_fd{.fd = connection_.get(), .events = events, .revents = 0};
    const int n = poll(&poll_fd, 1, static_cast<int>(left));
    if (n > 0) return absl::OkStatus();
    if (n < 0 && errno != EINTR) return absl::InternalError(strerror(errno));
  }
}

}  // namespace pvsched
