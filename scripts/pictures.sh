#!/usr/bin/env bash
# Takes the pictures for the README: the real tray in a real panel (xfce4-panel) on a screen that nobody sees (Xvfb),
# in a lab of its own.
#
#   scripts/pictures.sh [DIR]     writes resources/pictures/menu.png; keeps every single screenshot in DIR
#
# The icon is looked for by its colour, so that the panel may place it where it likes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

for program in xfce4-panel xfconf-query dbus-run-session xvfb-run xdotool convert display import; do
    have "$program" || die "$program is missing: apt-get install --no-install-recommends xfce4-panel xfconf dbus-daemon xvfb xauth xdotool imagemagick x11-utils fonts-dejavu-core"
done

# Second call, below: inside the screen and the session bus.
if [ "${1:-}" != --inside ]; then
    cargo build --bins
    base=$(mktemp -d)
    trap 'rm -rf "$base"' EXIT
    shots=${1:-$base/shots}
    mkdir -p "$shots" "$base"/{home,runtime,config}
    chmod 700 "$base/runtime"
    # The panel's settings must be there before the bus, which starts the service that reads them.
    settings=$base/config/xfce4/xfconf/xfce-perchannel-xml
    mkdir -p "$settings" "$base/config/gtk-3.0"
    cat >"$settings/xfce4-panel.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="false"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="double" value="100"/>
      <property name="size" type="uint" value="28"/>
      <property name="icon-size" type="uint" value="22"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
        <value type="int" value="3"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
      <property name="icon-size" type="int" value="22"/>
    </property>
    <property name="plugin-3" type="string" value="clock">
      <property name="digital-layout" type="uint" value="3"/>
      <property name="digital-time-format" type="string" value="%H:%M"/>
    </property>
  </property>
</channel>
XML
    printf '[Settings]\ngtk-font-name=DejaVu Sans 10\n' >"$base/config/gtk-3.0/settings.ini"
    env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
        HOME="$base/home" XDG_RUNTIME_DIR="$base/runtime" XDG_CONFIG_HOME="$base/config" NO_AT_BRIDGE=1 \
        xvfb-run -a -s '-screen 0 1040x640x24' dbus-run-session -- "$0" --inside "$shots" "$PWD/$target/debug" "$base/lab"
    exit
fi

shots=$2 programs=$3 lab=$4
portcullis() { "$programs/portcullis" --lab "$lab" "$@"; }

started=()
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT
# It paints the screen, and then fails to find a window to wait for.
display -size 1040x640 -window root 'xc:#8fa3b8' || true
xfce4-panel --disable-wm-check >/dev/null 2>&1 &
started+=($!)
# An icon that comes before the panel has its watcher on the bus falls back to the old kind of tray, and is shown twice.
for _ in $(seq 100); do
    dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
        string:org.kde.StatusNotifierWatcher 2>/dev/null | grep -q 'boolean true' && break
    sleep 0.1
done
# A real debugger waits, where there is one, so that the menu has somebody to name.
if have dlv; then
    dlv dap --listen=127.0.0.1:2345 >/dev/null 2>&1 &
    started+=($!)
fi

declare -A colours=([closed]='#1fa463' [open]='#f08a00' [off]='#7d818c' [unknown]='#7d818c')

screenshot() { import -silent -window root "$1"; }

# Where on the panel the colour $1 is, as "WIDTHxHEIGHT+X+Y"; "0x0+0+0" where it is not.
find_colour() {
    screenshot "$shots/.look.png"
    convert "$shots/.look.png" -crop 1040x28+0+0 +repage -fuzz 2% -fill white -opaque "$1" \
        -fuzz 0 -fill black +opaque white -trim -format '%wx%h%O' info: 2>/dev/null || printf '0x0+0+0'
}

# Waits until the icon shows the state $1, and keeps what the panel looks like then.
await() {
    local place
    for _ in $(seq 100); do
        place=$(find_colour "${colours[$1]}")
        # The clock's letters have a few pixels of nearly every grey; the icon is larger than those.
        if [[ $place =~ ^([0-9]+)x([0-9]+)\+([0-9]+)\+ ]] && [ "${BASH_REMATCH[1]}" -ge 8 ] &&
            [ "${BASH_REMATCH[1]}" -le 60 ] && [ "${BASH_REMATCH[2]}" -ge 12 ]; then
            sleep 0.3
            screenshot "$shots/$1.png"
            say "pictures: $1 at $place"
            icon_x=$((BASH_REMATCH[3] + BASH_REMATCH[1] / 2))
            return
        fi
        sleep 0.1
    done
    die "the icon never showed \"$1\""
}

portcullis >/dev/null &
started+=($!)
await unknown
portcullis guard on >/dev/null
await closed
"$programs/pfctl-lab" --lab "$lab" -d >/dev/null 2>&1
portcullis status --check >/dev/null
await off
"$programs/pfctl-lab" --lab "$lab" -e >/dev/null 2>&1
portcullis open 2345 --from 192.168.1.0/24 >/dev/null
await open

xdotool mousemove "$icon_x" 14 click 1
sleep 1
xdotool mousemove 60 400
sleep 0.5
# Details comes after the two rows above the ports and the six ports; grey rows are passed over. In it, the first port.
xdotool key --delay 100 Down Down Down Down Down Down Down Down Down Right Right
sleep 0.5
screenshot "$shots/menu.png"

# One picture: the four states in a row, large enough to look at, then the open menu below the panel.
icons=()
for state in closed open off unknown; do
    case $state in
        closed) words='all closed' ;;
        open) words='1 open' ;;
        off) words='firewall off' ;;
        unknown) words='not known' ;;
    esac
    convert "$shots/$state.png" -crop "28x28+$((icon_x - 14))+0" +repage -filter Lanczos -resize 300% \
        -background '#f6f5f4' -gravity center -extent 132x92 \
        -font DejaVu-Sans -pointsize 13 -fill '#333333' -gravity south -splice 0x20 -annotate +0+6 "$words" \
        "$shots/.$state.png"
    icons+=("$shots/.$state.png")
done
convert "${icons[@]}" +append "$shots/.row.png"
bottom=$(convert "$shots/menu.png" -bordercolor '#8fa3b8' -border 1 -trim -format '%h' info:)
convert "$shots/menu.png" -gravity northeast -crop "1040x$((bottom + 14))+0+0" +repage "$shots/.menu.png"
mkdir -p resources/pictures
convert "$shots/.row.png" "$shots/.menu.png" -background '#f6f5f4' -gravity center -append -strip \
    -define png:compression-level=9 resources/pictures/menu.png
size=$(wc -c <resources/pictures/menu.png)
[ "$size" -le 200000 ] || die "resources/pictures/menu.png has $size bytes; at most 200000 fit the README"
say "pictures: resources/pictures/menu.png, $size bytes"
