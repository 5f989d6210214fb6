#!/usr/bin/env bash
# `make idle`: what the tray costs while nothing happens, and while pf's log is recorded, in a session of Xfce as it is at first,
# on a screen that nobody sees: libraries that its programs share are shared here too. The tray is the released one, unless PROFILE=dev.
#
# A switch is one of any thread, voluntary or not (proc(5), status); PSS is what /proc/PID/smaps_rollup says. Beside it nm-applet is
# measured in the same minute.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

# Inside the screen and the session bus, below.
if [ "${1:-}" != --inside ]; then
    is_mac && die "this counts as Linux does"
    scripts/setup.sh build tray desktop
    profile=${PROFILE:-small}
    cargo build --locked --bins --profile "$profile"
    base=$(mktemp -d)
    trap 'rm -rf --one-file-system "$base"' EXIT
    mkdir -p "$base"/{home,runtime,config}
    chmod 700 "$base/runtime"
    alone=()
    unshare --map-root-user --net true 2>/dev/null && alone=(unshare --map-root-user --net)
    env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
        HOME="$base/home" XDG_RUNTIME_DIR="$base/runtime" XDG_CONFIG_HOME="$base/config" NO_AT_BRIDGE=1 \
        "${alone[@]}" xvfb-run -a -s '-screen 0 800x600x24' dbus-run-session -- \
        "$0" --inside "$PWD/$target/${profile/#dev/debug}" "$base/lab"
    exit
fi

programs=$2 lab=$3
portcullis() { "$programs/portcullis" --lab "$lab" "$@" >/dev/null; }
switches() { cat /proc/"$1"/task/*/status | awk '/ctxt_switches/ { sum += $2 } END { print sum }'; }
pss() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }

started=()
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT
# What such a session starts.
for program in xfwm4 xfsettingsd 'Thunar --daemon' xfdesktop xfce4-power-manager nm-applet \
    "$(find /usr/lib -path '*/notifyd/xfce4-notifyd' -print -quit)"; do
    $program >/dev/null 2>&1 &
    started+=($!)
    [ "$program" != nm-applet ] || applet=$!
done
start_panel
portcullis guard on
"$programs/portcullis-tray" --lab "$lab" >/dev/null 2>&1 &
tray=$!
started+=($tray)
# Waits until the tray has come to rest, which a busy machine puts off.
rest() {
    local before
    for _ in $(seq 60); do
        before=$(switches $tray)
        sleep 5
        if [ "$(switches $tray)" = "$before" ]; then return; fi
    done
}

# Each thread of a process, and its switches.
threads() { awk '/ctxt_switches/ { sum[FILENAME] += $2 } END { for (file in sum) print file, sum[file] }' /proc/"$1"/task/*/status; }

# The switches of the processes named, in a minute: what a thread did that ended within it is not known, and is left out.
minute() {
    local before=() process
    for process in "$@"; do before+=("$(threads "$process")"); done
    sleep 60
    counted=()
    for process in "$@"; do
        counted+=("$({ echo "${before[0]}"; threads "$process"; } |
            awk '$1 in first { sum += $2 - first[$1]; next } { first[$1] = $2 } END { print sum + 0 }')")
        before=("${before[@]:1}")
    done
}

rest
minute $tray $applet
idle=${counted[0]} memory=$(pss $tray)
say "idle 60 s: switches $idle (to be at most 1), PSS $memory kB (10240); nm-applet: ${counted[1]}, $(pss "$applet") kB"

portcullis log --for 10m
recorder=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$lab/Library/Application Support/Portcullis/recording.json")
rest
minute $tray "$recorder"
portcullis log --stop
say "recording 60 s: switches ${counted[0]} (60), of the recorder ${counted[1]}"
