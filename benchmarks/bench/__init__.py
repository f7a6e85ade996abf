# SPDX-License-Identifier: Apache-2.0
"""./lab bench: policies compared by their figures, in interleaved rounds."""
