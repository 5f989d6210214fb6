#!/usr/bin/env bash
# `make pictures`: the real tray in a real panel (xfce4-panel) on a screen that nobody sees (Xvfb), in labs of its own, with a
# light and with a dark theme.
#
#   scripts/pictures.sh [DIR]     writes resources/pictures/*.png; keeps every single screenshot in DIR/light and DIR/dark
#
#   menu.png       the picture of the README
#   icons.png      every state of the icon at 16, 22 and 44 pixels, on a light bar and on a dark one
#   light.png      the menu in twelve situations
#   dark.png       the same
#   submenus.png   each menu behind a row
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
# Pictures as small as these gain nothing by threads.
export MAGICK_THREAD_LIMIT=1

readonly MOST=400000

is_mac && die "the pictures are taken in a panel of Linux"
scripts/setup.sh build tray pictures

cargo build --locked --bins --example icons
base=$(mktemp -d)
trap 'rm -rf --one-file-system "$base"' EXIT
shots=${1:-$base/shots}
# What is built meanwhile is not to change a program that runs.
mkdir "$base/programs"
find "$target/debug" -maxdepth 1 -type f -executable -exec cp -t "$base/programs" {} +

# Who listens on this machine is none of the pictures' business, where a network of one's own can be had.
alone=()
unshare --map-root-user --net true 2>/dev/null && alone=(unshare --map-root-user --net)

desktops=()
for theme in light dark; do
    mkdir -p "$shots/$theme" "$base/$theme"/{home,runtime,config}
    chmod 700 "$base/$theme/runtime"
    # The panel's settings must be there before the bus, which starts the service that reads them.
    settings=$base/$theme/config/xfce4/xfconf/xfce-perchannel-xml
    mkdir -p "$settings" "$base/$theme/config/gtk-3.0"
    is_dark=false gtk_theme=Adwaita
    [ "$theme" = light ] || is_dark=true gtk_theme=Adwaita:dark
    sed "s/IS_DARK/$is_dark/" scripts/pictures/panel.xml >"$settings/xfce4-panel.xml"
    printf '[Settings]\ngtk-font-name=DejaVu Sans 10\n' >"$base/$theme/config/gtk-3.0/settings.ini"
    env -u DISPLAY -u WAYLAND_DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
        HOME="$base/$theme/home" XDG_RUNTIME_DIR="$base/$theme/runtime" XDG_CONFIG_HOME="$base/$theme/config" \
        NO_AT_BRIDGE=1 GTK_THEME="$gtk_theme" \
        "${alone[@]}" xvfb-run -a -s '-screen 0 1200x760x24' dbus-run-session -- \
        scripts/pictures/desktop.sh "$shots/$theme" "$base/programs" "$base/$theme" &
    desktops+=($!)
done
failed=
for desktop in "${desktops[@]}"; do wait "$desktop" || failed=yes; done
[ -z "$failed" ] || die "not every picture could be taken"

mkdir -p resources/pictures
scripts/pictures/sheets.sh "$shots" resources/pictures
size=$(cat resources/pictures/*.png | wc -c)
[ "$size" -le "$MOST" ] || die "the pictures have $size bytes together; at most $MOST are kept"
say "pictures: resources/pictures, $size bytes"
