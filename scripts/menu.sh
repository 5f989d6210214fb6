#!/usr/bin/env bash
# `make menu`: every row of the real menu is clicked over D-Bus, in a desktop and a lab of its own for each situation, and does
# what it says; then what an open menu shows changes 2,000 times, and 500 clicks meet one row of a real panel. The last line is
# `rows N, clicked N, wrong 0, moved 0, ids changed 0`; otherwise it ends with 1.
#
#   PORTCULLIS_MENU_EACH=N     each Nth row alone
#   PORTCULLIS_MENU=TEXT       the situations with this in their name
#   PORTCULLIS_MENU_CLICKS=N   so many clicks in a real panel, for which xfce4-panel and xdotool have to be there
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

is_mac && die "the menu of a Mac takes no clicks from D-Bus; run this on Linux"
scripts/setup.sh build tray test
build=(cargo test --locked --test tray_menu --no-run)
"${build[@]}"
# Run by itself, since cargo has a word of its own after a test that fails.
program=$("${build[@]}" --color never 2>&1 | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
PORTCULLIS_MENU_EACH=${PORTCULLIS_MENU_EACH:-1} "$program" --nocapture menu_ | tee "$said" || status=1
# The same menu under a pointer that is still, where there is a panel.
scripts/menu/panel.sh "${PORTCULLIS_MENU_CLICKS:-500}" || status=1
grep '^rows ' "$said" | tail -n 1
exit "$status"
