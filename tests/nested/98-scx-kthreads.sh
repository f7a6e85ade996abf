#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Kernel threads of one CPU, under the scheduler: one that never sleeps leaves the others
# their turns though a real-time task interrupts it all the time. Whoever interrupts gives
# back to the scheduler what waits for that CPU, and a kernel ends a scheduler that puts
# the same task there 256 times in vain.
. /lab/tests/lib.sh

need_scx
rt= sender=
modprobe pktgen && modprobe dummy || skip "this kernel has no pktgen: no kernel thread that never sleeps"
trap 'echo stop >/proc/net/pktgen/pgctrl; kill -KILL $rt 2>/dev/null; [ -z "$sender" ] || wait $sender; rmmod pktgen dummy' EXIT
# SIOCSIFFLAGS with IFF_UP: this host has no ip(8).
perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0) && ioctl(S, 0x8914, my $up = pack("a16 s x14", "dummy0", 1)) or die $!' ||
  fail "there is no interface to send to"
tell() { echo "$2" >"/proc/net/pktgen/$1" || fail "pktgen does not take $2"; }
start_scx
tell kpktgend_0 "add_device dummy0"
tell dummy0 "count 0"
echo start >/proc/net/pktgen/pgctrl &
sender=$!
eventually 10 "pktgen's thread runs" holds 'ps -C kpktgend_0 -o stat= | grep -q R'
cyclictest --mlockall -q -p 8 --policy=rr -a 0 -t 1 -i 300 -D 60 >/dev/null &
rt=$!

# It waits until a kernel thread of each CPU has run.
longest=0
for _ in {1..10}; do
  from=$(uptime_ms)
  timeout 30 cat /proc/sys/vm/stat_refresh || fail "a kernel thread has waited for 30 s"
  took=$(($(uptime_ms) - from))
  [ $took -le $longest ] || longest=$took
  sleep 0.5
done
kill $rt
echo "a kernel thread beside one that never sleeps: $longest ms at most"
[ $longest -lt 2000 ] || fail "a kernel thread is starved by another one"
scx_healthy ""
