# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab bench: compares scheduling policies in interleaved rounds."""
