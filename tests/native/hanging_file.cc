// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/hanging_file.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "common/unique_fd.h"

namespace pvsched {
namespace {

// The nodes below the root.
constexpr uint64_t kFile = 2;
constexpr uint64_t kFlushed = 3;

void Reply(int device, uint64_t unique, int error, const void* data, size_t size) {
  fuse_out_header header = {};
  header.len = static_cast<uint32_t>(sizeof(header) + size);
  header.error = error;
  header.unique = unique;
  const std::array<iovec, 2> parts = {iovec{.iov_base = &header, .iov_len = sizeof(header)},
                                      iovec{.iov_base = const_cast<void*>(data), .iov_len = size}};
  (void)!writev(device, parts.data(), parts.size());
}

fuse_attr AttributesOf(uint64_t node) {
  fuse_attr attributes = {};
  attributes.ino = node;
  attributes.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666;
  attributes.nlink = 1;
  return attributes;
}

}  // namespace

HangingFile::HangingFile() {
  char directory[] = "/tmp/hanging-file-XXXXXX";
  directory_ = mkdtemp(directory);
  const UniqueFd device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const std::string options =
      "fd=" + std::to_string(device.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
  if (!device || mount("test", directory_.c_str(), "fuse.test", 0, options.c_str()) != 0) {
    why_not_ = std::string("there is no FUSE here: ") + strerror(errno);
    return;
  }
  void* const page =
      mmap(nullptr, sizeof(*flushes_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  flushes_ = new (page) std::atomic<int>(0);
  server_ = fork();
  if (server_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(40);
    Serve(device.get());
  }
}

HangingFile::~HangingFile() {
  Release();
  umount2(directory_.c_str(), MNT_DETACH);
  rmdir(directory_.c_str());
  if (flushes_ != nullptr) munmap(flushes_, sizeof(*flushes_));
}

void HangingFile::Release() {
  if (server_ <= 0) return;
  kill(server_, SIGKILL);
  waitpid(server_, nullptr, 0);
  server_ = 0;
}

int HangingFile::Open() const { return open((directory_ + "/file").c_str(), O_RDWR | O_CLOEXEC); }

UniqueFd HangingFile::OpenFlushed() const {
  return UniqueFd(open((directory_ + "/written").c_str(), O_RDWR | O_CLOEXEC));
}

void HangingFile::Serve(int device) {
  std::vector<char> buffer(FUSE_MIN_READ_BUFFER + (1 << 17));
  while (read(device, buffer.data(), buffer.size()) >= 0 || errno == EINTR || errno == ENOENT) {
    fuse_in_header request;
    memcpy(&request, buffer.data(), sizeof(request));
    const auto reply = [&](const auto& answer) {
      Reply(device, request.unique, 0, &answer, sizeof(answer));
    };
    if (request.opcode == FUSE_INIT) {
      fuse_init_out init = {};
      init.major = FUSE_KERNEL_VERSION;
      init.minor = FUSE_KERNEL_MINOR_VERSION;
      init.max_write = 4096;
      init.flags = FUSE_WRITEBACK_CACHE;
      reply(init);
    } else if (request.opcode == FUSE_LOOKUP) {
      fuse_entry_out entry = {};
      entry.nodeid = buffer[sizeof(request)] == 'f' ? kFile : kFlushed;
      entry.attr = AttributesOf(entry.nodeid);
      reply(entry);
    } else if (request.opcode == FUSE_OPEN) {
      fuse_open_out open = {};
      open.open_flags = FOPEN_KEEP_CACHE;  // open() does not wait for a WRITE
      reply(open);
    } else if (request.opcode == FUSE_GETATTR) {
      fuse_attr_out attributes = {};
      attributes.attr = AttributesOf(request.nodeid);
      reply(attributes);
    } else if (request.opcode == FUSE_FLUSH && request.nodeid == kFile) {
      ++*flushes_;
    } else if (request.opcode != FUSE_WRITE && request.opcode != FUSE_INTERRUPT &&
               request.opcode != FUSE_FORGET) {
      Reply(device, request.unique, -ENOSYS, nullptr, 0);
    }
  }
  _exit(0);
}

}  // namespace pvsched
