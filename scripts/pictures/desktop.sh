#!/usr/bin/env bash
# Takes the screenshots of one theme: for `scripts/pictures.sh`, inside the screen and the session bus.
#
#   scripts/pictures/desktop.sh SHOTS PROGRAMS FOLDER
#
# Of each situation: NAME.16.png, NAME.22.png and NAME.44.png are the bar around the icon, NAME.png is the whole screen with the
# menu open.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh
. scripts/pictures/situations.sh

shots=$1 programs=$2 folder=$3 lab=
readonly WIDTH=1200 BAR=28

started=() tray=
trap 'say "pictures: line $LINENO of ${BASH_SOURCE[0]} failed: $BASH_COMMAND" >&2' ERR
trap 'kill "${started[@]}" $tray 2>/dev/null || true' EXIT

have ip && ip link set lo up 2>/dev/null || true
# It paints the screen, and then fails to find a window to wait for.
display -size ${WIDTH}x760 -window root 'xc:#8fa3b8' 2>/dev/null || true
start_panel

screenshot() { import -silent -window root "$1"; }

# The bar of $1 pixels around the icon, which is at its right end.
icon_shot() { import -silent -window root -crop "$1x$1+$((WIDTH - $1))+0" +repage "$2"; }

is_same() { cmp -s "$shots/.$1.ppm" "$shots/.$2.ppm"; }

panel() { xfconf-query -c xfce4-panel -p "$1" -s "$2"; }

# Sets the height of the bar, and of the icon in it.
bar() {
    panel /panels/panel-1/size "$1"
    panel /plugins/plugin-2/icon-size "$2"
}

# Waits until the bar around the icon looks the same twice, and not as it does without an icon.
settle() {
    rm -f "$shots/.before.ppm"
    for _ in $(seq 100); do
        icon_shot "$1" "$shots/.now.ppm"
        if is_same now before && ! is_same now empty; then return; fi
        mv "$shots/.now.ppm" "$shots/.before.ppm"
        sleep 0.2
    done
    cat "$shots/.tray.log" >&2
    die "the icon never showed"
}

# What is drawn where the menu opens, into .$1.ppm.
below_bar() { import -silent -window root -crop "200x100+$((WIDTH - 200))+$((BAR + 10))" +repage "$shots/.$1.ppm"; }

# A machine that is busy takes its time, and a click may be lost where the panel draws its bar anew.
open_menu() {
    for _ in 1 2 3; do
        xdotool mousemove $((WIDTH - BAR / 2)) $((BAR / 2)) click 1
        for _ in $(seq 15); do
            sleep 0.2
            below_bar menu
            if ! is_same menu desk; then
                sleep 0.4
                xdotool mousemove 60 700
                sleep 0.3
                return
            fi
        done
    done
    die "the menu never opened"
}

# Presses keys in the menu.
keys() {
    xdotool key --delay 100 "$@"
    sleep 0.5
}

close_menu() {
    xdotool key Escape Escape Escape Escape
    sleep 0.3
}

start_tray() {
    "$programs/portcullis-tray" --lab "$lab" >"$shots/.tray.log" 2>&1 &
    tray=$!
    settle $BAR
}

end_tray() {
    kill "$tray" && wait "$tray" || true
    tray=
    for _ in $(seq 50); do
        icon_shot $BAR "$shots/.now.ppm"
        if is_same now empty; then return; fi
        sleep 0.2
    done
    die "the icon never went"
}

icons() {
    local pixels
    for pixels in 16 22 44; do
        bar $((pixels + 6)) $pixels
        sleep 1
        settle $((pixels + 6))
        icon_shot $((pixels + 6)) "$shots/$1.$pixels.png"
    done
    bar $BAR 22
    sleep 1
    settle $BAR
}

sleep 1
icon_shot $BAR "$shots/.empty.ppm"
below_bar desk
# PICTURES_OF="closed off" takes those alone.
read -ra wanted <<<"${PICTURES_OF:-${SITUATIONS[*]}}"
for situation in "${wanted[@]}"; do
    lab=$folder/$situation
    portcullis status >/dev/null || true
    "prepare_$situation"
    start_tray
    if [ "$(type -t "act_$situation")" = function ]; then "act_$situation"; fi
    icons "$situation"
    if [[ " ${ICONS_ALONE[*]} " != *" $situation "* ]]; then
        open_menu
        screenshot "$shots/$situation.png"
        close_menu
    fi
    if [ "$(type -t "submenus_$situation")" = function ]; then "submenus_$situation"; fi
    end_tray
    leave
    say "pictures: $situation"
done
