#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A hookscript for Proxmox VE: docs/how-to/proxmox.md.
# Usage: pvsched-hook.sh VMID PHASE
set -u

vmid=$1
phase=$2
socket=${PVSCHED_SOCKET:-/run/pvsched/vfio-user.sock}

# The name that QEMU gets from Proxmox, as pvschedd writes it.
vm_name() {
  name=$(qm config "$vmid" | sed -n 's/^name: //p')
  printf '%s' "${name:-vm$vmid}" | tr -c '[:graph:]' _
}

has_vm() {
  pvschedctl vm list | cut -d ' ' -f 1 | grep -qxF -- "$(vm_name)"
}

case $phase in
pre-start)
  # QEMU does not start without the socket. An exit status of 1 prevents the start.
  systemctl start pvsched-deviced.socket
  [ -S "$socket" ] || { echo "pvsched: $socket does not exist" >&2; exit 1; }
  ;;
post-start)
  # The VM runs without pvsched too, so this is a warning only.
  for _ in 1 2 3 4 5; do
    has_vm && exit 0
    sleep "${PVSCHED_WAIT:-1}"
  done
  echo "pvsched: pvschedd does not know VM $vmid: journalctl -u pvsched-deviced says why" >&2
  ;;
esac
exit 0
