# SPDX-License-Identifier: GPL-2.0
# For the lab's modules, which name their SOURCES and include this:
#   make KDIR=... OUT=...   build the module in OUT
.PHONY: modules
modules:
	mkdir -p $(OUT)
	cp -u $(SOURCES) $(OUT)
	$(MAKE) -C $(KDIR) M=$(abspath $(OUT)) modules
