#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# What makes a VM boot fast on an idle host. Each case is compared with the previous case:
# serial console, virtio-console, a quiet kernel, memory in 2 MiB pages.
# ./lab exec benchmarks/cases/boot-cases.sh [BOOTS]; BOOTS of each case. $OUT gets the JSON
# of pvsched-boot, one file for each comparison.
set -u
. workload.sh
boots=${1:-3}
tries=3 # an emulated host sometimes hangs a guest

console='-device virtio-serial-pci -device virtconsole,chardev=c -chardev file,id=c,path=/run/lab/console'
names=("serial console" "virtio-console" "virtio-console, quiet" "virtio-console, quiet, huge pages")
cases=(
  "--append console=ttyS0 -- -serial file:/run/lab/console"
  "--append console=hvc0 -- $console"
  "--append 'console=hvc0 quiet' -- $console"
  "--append 'console=hvc0 quiet' -- $console -mem-path /dev/hugepages -mem-prealloc"
)

mkdir -p /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages
echo 96 >/proc/sys/vm/nr_hugepages
for ((i = 1; i < ${#cases[@]}; i++)); do
  until pvsched-boot -n "$boots" --json --compare "timeout $boot_limit lab-guest boot ${cases[i - 1]}" \
    "timeout $boot_limit lab-guest boot ${cases[i]}" >"$OUT/$i.json"; do
    ((--tries > 0)) || { echo "boot-cases: ${names[i]} could not be measured" >&2; exit 1; }
    echo "trying again"
  done
  echo "${names[i]}, compared with ${names[i - 1]}:"
  jq -r '. as $all | [["exec_to_userspace", "ms to user space"], ["exec_to_end", "ms to the end"],
      ["exits", "VM exits"], ["exits_to_vmm", "exits to QEMU"]][]
    | .[0] as $f | [.[1], ($all.commands[] | .summary[$f].mean // 0 | round), ($all.ratios[$f]
      | if . == null then "-" else [.median, .min, .max] | map(. * 1000 | round / 1000)
        | "\(.[0]) (\(.[1]) .. \(.[2]))" end)] | @tsv' "$OUT/$i.json" |
    awk -F '\t' '{ printf "  %-18s %8s -> %8s   ratio %s\n", $1, $2, $3, $4 }'
done
