// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/own_objects.h"

// NOLINTBEGIN(bugprone-macro-parentheses): a symbol and a path in assembly take none.
// The paths come from the build, which also rebuilds this file when an object changes.
#define PVSCHED_EMBED(symbol, path)       \
  asm(".pushsection .rodata\n"            \
      ".balign 16\n"                      \
      ".global " #symbol                  \
      "\n"                                \
      ".hidden " #symbol "\n" #symbol     \
      ":\n"                               \
      ".incbin \"" path                   \
      "\"\n"                              \
      ".global " #symbol                  \
      "_end\n"                            \
      ".hidden " #symbol "_end\n" #symbol \
      "_end:\n"                           \
      ".popsection\n");                   \
  extern "C" __attribute__((visibility("hidden"))) const char symbol[], symbol##_end[]

PVSCHED_EMBED(pvsched_hooks_object, PVSCHED_HOOKS_OBJECT);
PVSCHED_EMBED(pvsched_scx_object, PVSCHED_SCX_OBJECT);
// NOLINTEND(bugprone-macro-parentheses)

namespace pvsched {

absl::string_view HooksObject() {
  return {pvsched_hooks_object,
          static_cast<size_t>(pvsched_hooks_object_end - pvsched_hooks_object)};
}

absl::string_view ScxObject() {
  return {pvsched_scx_object, static_cast<size_t>(pvsched_scx_object_end - pvsched_scx_object)};
}

}  // namespace pvsched
