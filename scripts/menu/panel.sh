#!/usr/bin/env bash
# Clicks one row of the real menu in a real panel (xfce4-panel), with the pointer still, while what the menu shows changes. For
# `make menu`.
#
#   scripts/menu/panel.sh [CLICKS]     500 unless told; the last line is `panel clicks N, wrong 0`
#
# The row is the port 9229. Whatever else was asked of root than to open or close it, or 5678, by which the menu changes, was
# asked by a click that met another row.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh

readonly WIDTH=1040 BAR=28 OTHER=5678 PORT=9229

for program in xfce4-panel dbus-run-session xvfb-run xdotool dbus-send; do
    have "$program" && continue
    say "skipped: $program is not here"
    exit
done

# The second call, inside the screen and the session bus.
if [ "${1:-}" != --inside ]; then
    base=$(mktemp -d)
    trap 'rm -rf --one-file-system "$base"' EXIT
    mkdir -p "$base"/{home,runtime,config}
    chmod 700 "$base/runtime"
    # The panel's settings must be there before the bus, which starts the service that reads them.
    settings=$base/config/xfce4/xfconf/xfce-perchannel-xml
    mkdir -p "$settings"
    cat >"$settings/xfce4-panel.xml" <<XML
<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="double" value="100"/>
      <property name="size" type="uint" value="$BAR"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
XML
    env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
        HOME="$base/home" XDG_RUNTIME_DIR="$base/runtime" XDG_CONFIG_HOME="$base/config" NO_AT_BRIDGE=1 \
        xvfb-run -a -s "-screen 0 ${WIDTH}x640x24" dbus-run-session -- \
        "$0" --inside "${1:-500}" "$PWD/$target/debug" "$base/lab"
    exit
fi

clicks=$2 programs=$3 lab=$4
portcullis() { "$programs/portcullis" --lab "$lab" "$@" >/dev/null; }

started=()
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT
start_panel
portcullis status
portcullis guard on
"$programs/portcullis-tray" --lab "$lab" >/dev/null 2>&1 &
started+=($!)
sleep 3

ledger=$lab/Library/Application\ Support/Portcullis/ledger.json
audit=$lab/Library/Logs/Portcullis/audit.jsonl
is_open() { sed '/"managed"/,$d' "$ledger" | grep -q "\"port\": $1\b"; }
# The menu is closed first, where a click met a grey row and left it open.
open_menu() {
    xdotool key Escape mousemove $((WIDTH - BAR / 2)) $((BAR / 2)) click 1
    sleep 0.4
}
# Waits until a click on the row has opened the port.
is_met() {
    local _
    for _ in $(seq 30); do
        if is_open $PORT; then return; fi
        sleep 0.1
    done
    return 1
}

# Where the row is: it is looked for from above, past what opens nothing.
row=
for y in $(seq 96 6 150); do
    open_menu
    xdotool mousemove $((WIDTH - 60)) "$y"
    sleep 0.2
    xdotool click 1
    if is_met; then
        row=$y
        break
    fi
    portcullis close --all
done
[ -n "$row" ] || die "no row of the panel's menu opens $PORT"
portcullis close --all
# What is asked from here on; the log itself begins anew when it is long.
asked=$lab/asked
tail --quiet -n 0 -F "$audit" >"$asked" 2>/dev/null &
started+=($!)
sleep 1

for click in $(seq "$clicks"); do
    open_menu
    xdotool mousemove $((WIDTH - 60)) $((row + 6))
    # What is shown changes while the pointer is still; the click comes before, while or after that.
    if [ $((click % 2)) = 1 ]; then portcullis open $OTHER --from any --keep & else portcullis close $OTHER & fi
    change=$!
    sleep "0.$((RANDOM % 9))"
    xdotool click 1
    wait "$change" || true
done
sleep 2

wrong=0 met=0
while read -r what; do
    case $what in
    "open $OTHER" | "close $OTHER") ;;
    "open $PORT" | "close $PORT") met=$((met + 1)) ;;
    *)
        wrong=$((wrong + 1))
        say "wrong: $what"
        ;;
    esac
done < <(sed -E 's/.*"do":"([a-z-]*)".*"ports":\[\{"name":"[^"]*","port":"?([0-9-]*).*/\1 \2/; t; s/.*"do":"([a-z-]*)".*/\1/' \
    "$asked" | grep -vx tick)
say "$met of the clicks opened or closed $PORT; the others met it grey"
[ "$met" -gt $((clicks / 2)) ] || wrong=$((wrong + 1))
say "panel clicks $clicks, wrong $wrong"
[ "$wrong" = 0 ]
