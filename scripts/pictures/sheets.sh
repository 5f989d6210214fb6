#!/usr/bin/env bash
# Puts the screenshots together: for `scripts/pictures.sh`.
#
#   scripts/pictures/sheets.sh SHOTS PICTURES
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/common.sh

shots=$1 pictures=$2
readonly SCREEN='#8fa3b8' PAPER='#f6f5f4'
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

small=(-strip -define png:compression-level=9)
text=(-font DejaVu-Sans -pointsize 12 -fill '#333333')

# What is drawn on the screen $1 below the bar, into $2.
below_bar() {
    convert "$1" -crop +0+30 +repage -bordercolor "$SCREEN" -border 1 -trim +repage "$2"
}

# $1 with the words $2 above it, into $3.
captioned() {
    convert "$1" -background "$PAPER" -gravity northwest -splice 0x20 "${text[@]}" -annotate +2+2 "$2" \
        -bordercolor "$PAPER" -border 5 "$3"
}

# The columns of a sheet have the images named, beneath each other; $1 is how many columns.
sheet() {
    local count=$1 output=$2 columns=() column
    shift 2
    for column in $(seq 0 $((count - 1))); do
        local images=() place=0 image
        for image in "$@"; do
            [ $((place % count)) != "$column" ] || images+=("$image")
            place=$((place + 1))
        done
        convert "${images[@]}" -background "$PAPER" -append "$work/column.$column.png"
        columns+=("$work/column.$column.png")
    done
    convert "${columns[@]}" -background "$PAPER" +append -dither None -colors 64 "${small[@]}" "PNG8:$output"
}

icons() {
    local rows=() name words theme pixels strip
    while IFS='|' read -r name words; do
        strip=()
        for theme in light dark; do
            for pixels in 16 22 44; do
                convert "$shots/$theme/$name.$pixels.png" -filter point -resize 200% "$work/one.$theme.$pixels.png"
                strip+=("$work/one.$theme.$pixels.png")
            done
        done
        convert "${strip[@]}" -background "$PAPER" -gravity center +append -bordercolor "$PAPER" -border 4 "$work/strip.png"
        convert "$work/strip.png" -background "$PAPER" -gravity west -splice 190x0 "${text[@]}" -annotate +6+0 "$words" \
            "$work/icons.$name.png"
        rows+=("$work/icons.$name.png")
    done <<'WORDS'
first_run|never looked at
closed|closed
blocked|closed, one was blocked
waiting|waiting for permission
one_open|one open
three_open|three open
open_to_anyone|two open, one for anyone
not_seen|open, not seen for an hour
open_exposed|open, anyone gets in
off|firewall off
off_exposed|firewall off, exposed
first_run_exposed|never looked at, exposed
WORDS
    sheet 2 "$pictures/icons.png" "${rows[@]}"
}

menus() {
    local theme=$1 all=() name words
    while IFS='|' read -r name words; do
        below_bar "$shots/$theme/$name.png" "$work/menu.png"
        captioned "$work/menu.png" "$words" "$work/menu.$name.png"
        all+=("$work/menu.$name.png")
    done <<'WORDS'
first_run|first run
closed|closed
one_open|one open
three_open|three open
not_seen|open, not seen for an hour
off|firewall off
off_exposed|firewall off, a debugger exposed
blocked|one was blocked
waiting|waiting for permission
failure|after a failure
own_ports|200 ports of one's own
bad_preferences|preferences that do not read
WORDS
    sheet 4 "$pictures/$theme.png" "${all[@]}"
}

submenus() {
    local all=() name shot
    for shot in "$shots"/light/sub.*.png; do
        name=$(basename "$shot" .png)
        below_bar "$shot" "$work/sub.png"
        captioned "$work/sub.png" "${name#sub.}" "$work/$name.png"
        all+=("$work/$name.png")
    done
    sheet 2 "$pictures/submenus.png" "${all[@]}"
}

# Four states, large enough to look at, then the open menu below the bar.
readme() {
    local row=() name words
    while IFS='|' read -r name words; do
        convert "$shots/light/$name.44.png" -background "$PAPER" -gravity center -extent 132x64 "${text[@]}" \
            -gravity south -splice 0x20 -annotate +0+4 "$words" "$work/readme.$name.png"
        row+=("$work/readme.$name.png")
    done <<'WORDS'
closed|all closed
one_open|1 open
off|firewall off
first_run|not known
WORDS
    convert "${row[@]}" +append "$work/row.png"
    local menu=$shots/light/sub.details.png bottom
    bottom=$(convert "$menu" -bordercolor "$SCREEN" -border 1 -trim -format '%h' info:)
    convert "$menu" -gravity northeast -crop "1110x$((bottom + 14))+0+0" +repage "$work/menu.png"
    convert "$work/row.png" "$work/menu.png" -background "$PAPER" -gravity center -append -dither None -colors 128 \
        "${small[@]}" "PNG8:$pictures/menu.png"
}

icons
menus light
menus dark
submenus
readme
