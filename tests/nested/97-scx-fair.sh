#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# No ordinary task starves under the scheduler: not one that is bound to a CPU, whose time
# is not that of those which are not; nor an old one beside new ones that end soon; nor one
# whose CPU a real-time task takes; nor one beside vCPUs, which have no more than others for
# their ordinary work. And weights count where many wait.
. /lab/tests/lib.sh

need_scx
start_scx

# used TID...: CPU time, in ms.
used() { for tid; do awk '{ printf "%d\n", $1 / 1000000 }' "/proc/$tid/schedstat"; done; }

# Those bound to CPU 0 run alone for a while, so that their clock is far ahead.
bound=()
for _ in 1 2; do
  host_spin 0
  bound+=("$hog")
done
sleep 10
free=()
for _ in 1 2 3 4; do
  host_spin 0-1
  free+=("$hog")
done
before=$(used "${bound[@]}" "${free[@]}")
sleep 12
least=$(paste <(echo "$before") <(used "${bound[@]}" "${free[@]}") | awk '{ print $2 - $1 }' | sort -n | head -1)
# Each would have 4000 of 24000 if all could run anywhere.
echo "the least that one of six busy tasks had in 12 s: $least ms"
[ "$least" -ge 1000 ] || fail "a task is starved by those of another queue"
kill "${bound[@]}" "${free[@]:1}"

# Each lets its successor begin and ends within a slice.
for _ in 1 2 3 4; do
  # shellcheck disable=SC2016 # perl's
  perl -e 'my $end = time + 14; while (time < $end) { exit 0 if fork; for (1 .. 2000) { } }' &
done
before=$(used "${free[0]}")
sleep 12
had=$(($(used "${free[0]}") - before))
echo "one busy task beside four chains of short ones had $had ms in 12 s"
# In 8 s EEVDF gave it 1651 and 1660, the scheduler 1076 to 1401; since a child goes on where its parent is, 1311 and 1455 in 12.
[ $had -ge 1000 ] || fail "an old task is starved by new ones"
sleep 4
kill "${free[0]}"

# By the kernel's table 2864 of 2864 + 10 x 100 of each CPU.
heavy=() light=()
for _ in 1 2; do
  host_spin 0-1
  renice -n -15 -p "$hog" >/dev/null || fail "renice"
  heavy+=("$hog")
done
for _ in {1..20}; do
  host_spin 0-1
  light+=("$hog")
done
sum() { used "$@" | awk '{ s += $1 } END { print s }'; }
sleep 1
before_heavy=$(sum "${heavy[@]}") before_light=$(sum "${light[@]}")
sleep 12
had_heavy=$(($(sum "${heavy[@]}") - before_heavy)) had_light=$(($(sum "${light[@]}") - before_light))
share=$((100 * had_heavy / (had_heavy + had_light)))
echo "two busy tasks of nice -15 beside twenty of nice 0 had $share %, 74 by their weights"
[ $share -ge 66 ] && [ $share -le 82 ] || fail "weights do not count where many wait"
kill "${heavy[@]}" "${light[@]}"

# Whom it meets on CPU 0 cannot wait there for its end.
left=()
for _ in 1 2; do
  host_spin 0-1
  left+=("$hog")
done
sleep 1
host_spin 0 "-r 8"
mapfile -t shares < <(cpu_shares 6 "${left[@]}")
kill "$hog" "${left[@]}"
echo "shares of a CPU of two busy tasks, where a real-time one has the other CPU: ${shares[*]}"
for share in "${shares[@]}"; do
  [ "$share" -ge 25 ] || fail "a task waits for a real-time one to end"
done

# The guest's kernel has its interrupts and critical sections, and moves a task about.
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
for _ in 1 2 3 4; do
  host_spin 0-1
  beside+=("$hog")
done
lab-guest exec pair 'spin() { taskset -c $1 sh -c "while :; do :; done" >/dev/null 2>&1 & echo $!; }
  one=$(spin 0) two=$(spin 1) moved=$(spin 0)
  sh -c "while :; do taskset -p 2 $moved; usleep 100000; taskset -p 1 $moved; usleep 100000; done" >/dev/null 2>&1 &
  echo $one $two $moved $! >/tmp/busy' || fail "the guest is not busy"
mapfile -t shares < <(cpu_shares 15 $(lab-guest threads pair) "${beside[@]}")
echo "shares of a CPU in 15 s: two busy vCPUs ${shares[*]:0:2}, four busy tasks ${shares[*]:2}"
for share in "${shares[@]:0:2}"; do
  for other in "${shares[@]:2}"; do
    [ $((4 * share)) -le $((5 * other)) ] || fail "a vCPU has $share % of a CPU for ordinary work, a task $other %"
  done
done
lab-guest exec pair 'kill -9 $(cat /tmp/busy)' || fail "the guest was not busy to the end"
scx_healthy ""
