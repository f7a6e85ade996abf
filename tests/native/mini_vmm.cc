// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// mini-vmm BEFORE AFTER [PAUSE_US]: a VMM with a known sequence of exits, which
// pvsched-boot measures. Its guest exits BEFORE times by OUT (at least once), twice by a
// write to port 0x80, AFTER times by OUT, and halts. The second write to port 0x80 is
// pvsched-boot's mark. Prints the time from the first exit to the mark, in ms.

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/native/mini_vm.h"

int main(int argc, char** argv) {
  if (argc < 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1) {
    fprintf(stderr, "usage: mini-vmm BEFORE AFTER [PAUSE_US]\n");
    return 2;
  }
  const int before = atoi(argv[1]), after = atoi(argv[2]);
  const auto low = [](int n) { return static_cast<uint8_t>(n & 0xff); };
  const auto high = [](int n) { return static_cast<uint8_t>(n >> 8); };
  const std::vector<uint8_t> program = {
      0xb9, low(before), high(before),        // mov cx, before
      0xe6, 0x10,        0xe2,         0xfc,  // 1: out 0x10, al; loop 1b
      0xb0, 0x33,        0xe6,         0x80,  // mov al, 0x33; out 0x80, al: as a kernel's delay
      0xb0, 0x5a,        0xe6,         0x80,  // mov al, 0x5a; out 0x80, al: the mark
      0xb9, low(after),  high(after),         // mov cx, after
      0xe6, 0x10,        0xe2,         0xfc,  // 2: out 0x10, al; loop 2b
      0xf4,                                   // hlt
  };
  const auto vm = pvsched::MiniVm::CreateWith(1, program);
  if (!vm.ok()) {
    fprintf(stderr, "mini-vmm: %s\n", std::string(vm.status().message()).c_str());
    return 1;
  }
  if (argc > 3) (*vm)->SetPause(std::chrono::microseconds(atoi(argv[3])));
  int exits = 0;
  std::chrono::steady_clock::time_point start;
  (*vm)->SetOnExit([&](int) {
    const auto now = std::chrono::steady_clock::now();
    if (++exits == 1) start = now;
    if (exits == before + 2) {
      printf("%.3f ms\n", std::chrono::duration<double, std::milli>(now - start).count());
    }
    if (exits == before + after + 3) {
      fflush(stdout);
      _exit(0);
    }
  });
  (*vm)->Run();
  sleep(100);
  fprintf(stderr, "mini-vmm: the guest did not halt\n");
  return 1;
}
