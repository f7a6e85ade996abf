# SPDX-License-Identifier: GPL-2.0
# Copyright (C) 2026 The pvsched authors
# The lab's modules set SOURCES and include this file.
#   make KDIR=... OUT=...   build the module in OUT
.PHONY: modules
modules:
	mkdir -p $(OUT)
	cp -u $(SOURCES) $(OUT)
	$(MAKE) -C $(KDIR) M=$(abspath $(OUT)) modules
