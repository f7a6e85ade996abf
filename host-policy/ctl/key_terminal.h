// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_KEY_TERMINAL_H_
#define PVSCHED_HOST_POLICY_CTL_KEY_TERMINAL_H_

#include <termios.h>

namespace pvsched {

// Standard input as keys, without Enter and without echo, if it is the terminal
// of this process. The destructor restores the terminal.
class KeyTerminal {
 public:
  KeyTerminal();
  ~KeyTerminal();
  KeyTerminal(const KeyTerminal&) = delete;
  KeyTerminal& operator=(const KeyTerminal&) = delete;

  // To wait for; -1: there are no keys.
  int fd() const;
  // Sets the terminal again: a shell that stopped the process restored it.
  void Renew();
  // The key that was pressed; 0: none, and there will be no more.
  char Read();

 private:
  bool is_terminal_ = false;
  termios before_ = {};
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_KEY_TERMINAL_H_
