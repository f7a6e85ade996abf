// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/key_terminal.h"

#include <unistd.h>

namespace pvsched {
namespace {

// A background process that sets the terminal would be stopped.
bool IsInForeground() { return tcgetpgrp(STDIN_FILENO) == getpgrp(); }

}  // namespace

KeyTerminal::KeyTerminal() {
  is_terminal_ = IsInForeground() && tcgetattr(STDIN_FILENO, &before_) == 0;
  Renew();
}

KeyTerminal::~KeyTerminal() {
  if (is_terminal_ && IsInForeground()) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

int KeyTerminal::fd() const { return is_terminal_ ? STDIN_FILENO : -1; }

void KeyTerminal::Renew() {
  if (!is_terminal_ || !IsInForeground()) return;
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 1;
  keys.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &keys);
}

char KeyTerminal::Read() {
  char key = 0;
  if (read(STDIN_FILENO, &key, 1) == 1) return key;
  is_terminal_ = false;
  return 0;
}

}  // namespace pvsched
