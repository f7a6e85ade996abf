// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/daemon/control_client.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/log/log.h"
#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{50};
constexpr milliseconds kLastRetry{60'000};
// Where nobody listens, inotify tells when somebody comes: retries only bridge
// the moment between bind() and listen().
constexpr milliseconds kLastRetryWithoutListener{1000};
// A connection that stood this long was not part of a crash loop.
constexpr std::chrono::seconds kStable{10};

std::string Text(const pvsched_control_msg& msg) {
  return absl::CHexEscape(absl::string_view(msg.text, strnlen(msg.text, sizeof(msg.text))));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Create(const Options& options) {
  if (options.path.empty() || options.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("control socket path '", options.path,
                                                   "' must have 1 to ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll || !timer) return absl::ErrnoToStatus(errno, "epoll or timerfd");
  absl::StatusOr<std::unique_ptr<PathWatch>> watch = PathWatch::Create(options.path);
  if (!watch.ok()) return watch.status();
  for (const int fd : {timer.get(), (*watch)->fd()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll_ctl");
    }
  }
  return absl::WrapUnique(
      new ControlClient(options, std::move(epoll), std::move(timer), *std::move(watch)));
}

ControlClient::ControlClient(const Options& options, UniqueFd epoll, UniqueFd timer,
                             std::unique_ptr<PathWatch> watch)
    : options_(options),
      epoll_(std::move(epoll)),
      timer_(std::move(timer)),
      watch_(std::move(watch)),
      retry_delay_(kFirstRetry) {}

void ControlClient::StartSession(UniqueFd vmm_pidfd) {
  vmm_ = std::move(vmm_pidfd);
  retry_delay_ = kFirstRetry;
  watch_->Arm();
  TryToConnect();
  if (!connected() && refusal_.empty()) {
    LOG(INFO) << "no pvschedd at " << options_.path << " yet: records are kept for it";
  }
}

void ControlClient::EndSession() {
  Disconnect();
  watch_->Disarm();
  records_.clear();
  refusal_.clear();
  unsettled_ = false;
  vmm_.reset();
}

void ControlClient::HandleEvents() {
  epoll_event events[3];
  const int n = epoll_wait(epoll_.get(), events, 3, 0);
  bool try_now = false;
  bool lost = false;
  for (int i = 0; i < n; ++i) {
    const int fd = events[i].data.fd;
    if (fd == timer_.get()) {
      uint64_t expirations;
      try_now |= read(fd, &expirations, sizeof(expirations)) > 0;
    } else if (fd == watch_->fd()) {
      if (!watch_->Drain() || !vmm_ || connected()) continue;
      watch_->Arm();
      retry_delay_ = kFirstRetry;
      try_now = true;
    } else {
      lost = true;  // nothing is ever sent to us unasked: it is the end
    }
  }
  if (lost && connected()) {
    LOG(WARNING) << "pvschedd is gone: " << records_.size() << " records are kept for the next one";
    Lose();
  } else if (try_now && vmm_ && !connected()) {
    TryToConnect();
  }
}

void ControlClient::TryToConnect() {
  refusal_.clear();
  const absl::Status status = Connect();
  if (status.ok()) {
    watch_->Disarm();
    LOG(INFO) << "pvschedd has the VM and " << records_.size() << " records";
    return;
  }
  if (absl::IsPermissionDenied(status) || absl::IsAlreadyExists(status)) {
    refusal_ = std::string(status.message());
    LOG(ERROR) << "pvschedd refuses the VM: " << refusal_;
    Disconnect();
    // It may not have seen the end of our last connection yet. Else the next
    // pvschedd may think otherwise; this one won't.
    if (absl::IsAlreadyExists(status)) RetryLater(/*somebody_listens=*/true);
    return;
  }
  VLOG(1) << "no connection to pvschedd: " << status;
  // For what is not there the watch tells; what was lost is retried already.
  if (absl::IsUnavailable(status)) RetryLater(/*somebody_listens=*/false);
  if (absl::IsResourceExhausted(status)) RetryLater(/*somebody_listens=*/true);
}

// NotFound: no socket to connect to. Unavailable: nobody listens on it.
// ResourceExhausted: somebody does, but lets us wait. AlreadyExists: the VM has
// a connection. PermissionDenied: it is not wanted. Others: lost in conversation.
absl::Status ControlClient::Connect() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, options_.path.data(), options_.path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == EAGAIN) return absl::ResourceExhaustedError("pvschedd does not accept");
    // A pvschedd that does not listen any more has ended, and with it all use.
    if (errno == ENOENT || errno == ECONNREFUSED) unsettled_ = false;
    if (errno == ECONNREFUSED) return absl::UnavailableError("nobody listens");
    return absl::NotFoundError(absl::StrCat("connect: ", strerror(errno)));
  }
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd.get()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  connection_ = std::move(fd);
  connected_since_ = Clock::now();
  return Introduce();
}

absl::Status ControlClient::Introduce() {
  if (absl::Status status = Request(PVSCHED_CONTROL_HELLO, 0, 0, vmm_.get()); !status.ok()) {
    return absl::IsUnavailable(status) ? absl::AbortedError(status.message()) : status;
  }
  unsettled_ = false;
  for (const auto& [vcpu, place] : records_) {
    const absl::Status status = SendRegister(vcpu, place);
    if (!connected()) return absl::AbortedError(status.message());
    if (!status.ok()) {
      // Kept for the next pvschedd: the guest was told that it is registered.
      LOG_EVERY_N_SEC(WARNING, 1) << "vCPU " << vcpu
                                  << ": pvschedd refuses its record: " << status.message();
    }
  }
  return absl::OkStatus();
}

void ControlClient::Disconnect() {
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
  connection_.reset();  // leaves the epoll set with it
}

// The watch must be there before the next attempt, and not be made anew while
// it stands: what it has seen would be lost.
void ControlClient::Lose() {
  Disconnect();
  watch_->Arm();
  RetryLater(/*somebody_listens=*/true);
}

void ControlClient::RetryLater(bool somebody_listens) {
  if (somebody_listens && Clock::now() - connected_since_ > kStable) retry_delay_ = kFirstRetry;
  if (!somebody_listens && retry_delay_ > kLastRetryWithoutListener) return;
  const auto delay = std::chrono::duration_cast<std::chrono::nanoseconds>(retry_delay_).count();
  const itimerspec once{
      .it_interval = {},
      .it_value = {.tv_sec = delay / 1'000'000'000, .tv_nsec = delay % 1'000'000'000}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
  retry_delay_ = std::min(retry_delay_ * 2, kLastRetry);
}

absl::Status ControlClient::Register(uint32_t vcpu, int fd, uint64_t offset, const Extras& extras) {
  if (!refusal_.empty()) return absl::PermissionDeniedError(refusal_);
  const Place place{fd, offset, extras};
  if (connected()) {
    const absl::Status status = SendRegister(vcpu, place);
    // Unavailable: pvschedd ended just now, and the record waits for the next.
    if (!status.ok() && !absl::IsUnavailable(status)) return status;
  }
  records_[vcpu] = place;
  return absl::OkStatus();
}

absl::Status ControlClient::SendRegister(uint32_t vcpu, const Place& place) {
  const Extras& extras = place.extras;
  if (extras.preempt_fd >= 0) {
    absl::Status status = Request(PVSCHED_CONTROL_PREEMPT_COUNT, vcpu, extras.preempt_offset,
                                  extras.preempt_fd, extras);
    if (!status.ok()) return status;
  }
  return Request(PVSCHED_CONTROL_REGISTER, vcpu, place.offset, place.fd, extras);
}

absl::Status ControlClient::Withdraw(uint32_t vcpu) {
  if (records_.erase(vcpu) == 0 && !unsettled_) return absl::OkStatus();
  return FinishWithdrawal(PVSCHED_CONTROL_WITHDRAW, vcpu);
}

absl::Status ControlClient::WithdrawAll() {
  if (std::exchange(records_, {}).empty() && !unsettled_) return absl::OkStatus();
  return FinishWithdrawal(PVSCHED_CONTROL_WITHDRAW_ALL, 0);
}

absl::Status ControlClient::FinishWithdrawal(uint16_t type, uint32_t vcpu) {
  if (connected()) {
    const absl::Status status = Request(type, vcpu, 0, -1);
    // Refused or not, it is answered: pvschedd has no such record any more. And
    // a pvschedd that has ended uses nothing.
    if (!absl::IsDeadlineExceeded(status)) return absl::OkStatus();
  }
  return unsettled_ ? absl::DeadlineExceededError("pvschedd does not answer") : absl::OkStatus();
}

// PermissionDenied, AlreadyExists: answered with an error. All other errors
// close the connection: DeadlineExceeded: no answer, Unavailable: closed by
// pvschedd.
absl::Status ControlClient::Request(uint16_t type, uint32_t vcpu, uint64_t offset, int fd,
                                    const Extras& extras) {
  pvsched_control_msg request{};
  request.magic = PVSCHED_CONTROL_MAGIC;
  request.version = PVSCHED_CONTROL_VERSION;
  request.type = type;
  request.seq = ++seq_;
  request.vcpu_id = vcpu;
  request.offset = offset;
  request.features = extras.features;
  request.mask = extras.preempt_mask;
  if (type == PVSCHED_CONTROL_HELLO) options_.name.copy(request.text, sizeof(request.text) - 1);

  const absl::StatusOr<pvsched_control_msg> reply = Exchange(request, fd);
  if (reply.ok()) {
    if (reply->error == 0) return absl::OkStatus();
    const std::string why = absl::StrCat(Text(*reply), " (", strerror(reply->error), ")");
    return reply->error == EEXIST ? absl::AlreadyExistsError(why)
                                  : absl::PermissionDeniedError(why);
  }
  // A late answer would be taken for the next one's: begin anew.
  LOG(WARNING) << "connection to pvschedd is given up: " << reply.status().message();
  Lose();
  const bool ended = absl::IsUnavailable(reply.status());
  if (!ended) unsettled_ = true;
  return ended ? reply.status() : absl::DeadlineExceededError(reply.status().message());
}

absl::StatusOr<pvsched_control_msg> ControlClient::Exchange(const pvsched_control_msg& request,
                                                            int fd) {
  const Clock::time_point deadline = Clock::now() + options_.timeout;
  iovec iov{.iov_base = const_cast<pvsched_control_msg*>(&request), .iov_len = sizeof(request)};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  }
  while (sendmsg(connection_.get(), &msg, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET) {
      return absl::UnavailableError("pvschedd closed the connection");
    }
    if (errno != EAGAIN) return absl::InternalError(absl::StrCat("sendmsg: ", strerror(errno)));
    if (absl::Status status = WaitFor(POLLOUT, deadline); !status.ok()) return status;
  }

  pvsched_control_msg reply;
  for (;;) {
    if (absl::Status status = WaitFor(POLLIN, deadline); !status.ok()) return status;
    const ssize_t n = recv(connection_.get(), &reply, sizeof(reply), MSG_TRUNC);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n == 0 || (n < 0 && errno == ECONNRESET)) {
      return absl::UnavailableError("pvschedd closed the connection");
    }
    if (n < 0) return absl::InternalError(absl::StrCat("recv: ", strerror(errno)));
    if (n != sizeof(reply) || reply.magic != PVSCHED_CONTROL_MAGIC ||
        reply.version != PVSCHED_CONTROL_VERSION ||
        reply.type != (request.type | PVSCHED_CONTROL_REPLY) || reply.seq != request.seq) {
      return absl::InternalError("pvschedd's answer is not one to what was asked");
    }
    return reply;
  }
}

absl::Status ControlClient::WaitFor(int16_t events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError("pvschedd does not answer");
    pollfd poll_fd{.fd = connection_.get(), .events = events, .revents = 0};
    const int n = poll(&poll_fd, 1, static_cast<int>(left));
    if (n > 0) return absl::OkStatus();
    if (n < 0 && errno != EINTR) return absl::InternalError(strerror(errno));
  }
}

}  // namespace pvsched
