# How things stand when a picture is taken: read by `scripts/pictures/desktop.sh`. `prepare_NAME` makes it so before the tray
# starts, `act_NAME` after that.
# shellcheck shell=bash

SITUATIONS=(first_run first_run_exposed closed blocked waiting failure one_open three_open open_to_anyone open_exposed not_seen
    off off_exposed own_ports bad_preferences)
# Of these the menu looks as it does in another.
ICONS_ALONE=(first_run_exposed open_to_anyone open_exposed)

portcullis() { "$programs/portcullis" --lab "$lab" "$@"; }
quietly() { "$@" >/dev/null 2>&1; }
# It fails where pf is so already.
pfctl() { quietly "$programs/pfctl-lab" --lab "$lab" "$@" || true; }
# Answers the administrator prompt from now on.
prompt() { sed -i "s/^prompt = .*/prompt = \"$1\"/" "$lab/lab.toml"; }

delve=
# Has a real debugger wait at this address.
debugger() {
    HOME=$folder/home dlv dap --listen="$1:2345" >/dev/null 2>&1 &
    delve=$!
    for _ in $(seq 100); do
        grep -q ':0929 .* 0A ' /proc/net/tcp /proc/net/tcp6 && return
        sleep 0.1
    done
    die "dlv does not listen"
}

# Ends what a situation has started.
leave() {
    [ -z "$delve" ] || { kill "$delve" && wait "$delve" || true; }
    delve=
    if [ "$situation" = blocked ]; then quietly portcullis log --stop; fi
}

preferences() {
    local file="$lab/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml"
    mkdir -p "$(dirname "$file")"
    cat >"$file"
}

prepare_first_run() { pfctl -d; }

prepare_first_run_exposed() {
    prepare_first_run
    debugger 0.0.0.0
}

prepare_closed() { quietly portcullis guard on; }

prepare_blocked() {
    prepare_closed
    quietly portcullis log --for 10m
    blocked_frame >>"$lab/private/var/run/pflog0.pcap"
    for _ in $(seq 50); do
        portcullis status --json | grep -q '"last_from"' && return
        sleep 0.2
    done
    die "the attempt is not recorded"
}

# What pf logs of a SYN from 192.168.1.20 that the first rule of our anchor blocked: pcap's header of a record, pflog's header
# (its name of the anchor is cut at 15 bytes), IPv4, TCP.
blocked_frame() {
    perl -e '
        my $ip = pack("C2 n3 C2 n C4 C4", 0x45, 0, 40, 1, 0, 64, 6, 0, 192, 168, 1, 20, 192, 168, 1, 1);
        my $tcp = pack("n2 N2 C2 n3", 50000, 2345, 1, 0, 0x50, 2, 1024, 0, 0);
        my $pflog = pack("C4 a16 a16 N2 a16 C4", 61, 2, 1, 0, "en0", "100.dev.portcul", 0, 0, "", 1, 0, 0, 0);
        my $frame = $pflog . $ip . $tcp;
        print pack("V4", time, 7, length $frame, length $frame) . $frame;'
}

prepare_waiting() {
    prepare_closed
    prompt hang
}

# The first port: below the two rows of the headline.
click_first_port() {
    open_menu
    keys Down Down Down Return
    sleep 1
}

act_waiting() { click_first_port; }

prepare_failure() {
    prepare_closed
    prompt deny
}

act_failure() { click_first_port; }

prepare_one_open() {
    prepare_closed
    debugger 127.0.0.1
    quietly portcullis open 2345 --from lan --for 2h
}

submenus_one_open() {
    local menu
    # Details comes after the six ports; grey rows are passed over. In it, the first port.
    open_menu
    keys Down Down Down Down Down Down Down Down Down Right Right
    screenshot "$shots/sub.details.png"
    keys Up Up Right
    screenshot "$shots/sub.copy-elsewhere.png"
    keys Left Up Right
    screenshot "$shots/sub.copy-here.png"
    close_menu
    open_menu
    keys Up Up Up Right
    for menu in new-openings end-of-day icon; do
        keys Right
        screenshot "$shots/sub.$menu.png"
        keys Left Down
    done
    close_menu
    open_menu
    keys Up Up Right
    screenshot "$shots/sub.help.png"
    close_menu
}

prepare_three_open() {
    prepare_closed
    quietly portcullis open 2345 --from lan --for 2h
    quietly portcullis open 9229 --from lan --for 1h
    quietly portcullis open 5678 --from 10.0.0.5 --until restart
}

prepare_open_to_anyone() {
    prepare_closed
    quietly portcullis open 2345 --from lan --for 2h
    quietly portcullis open 9229 --from any --for 1h
}

prepare_open_exposed() {
    prepare_closed
    debugger 0.0.0.0
    quietly portcullis open 2345 --from any --for 1h
}

prepare_not_seen() {
    prepare_closed
    quietly portcullis open 2345 --from lan --until restart
}

# The lab's launchd starts with the tray, and would have a report that is old renewed.
act_not_seen() {
    pgrep -f "^$lab/bin/launchctl " | xargs -r kill
    local status="$lab/Library/Application Support/Portcullis/status.json"
    sed -i -E "s/\"seen\": *[0-9]+/\"seen\": $(($(date +%s) - 65 * 60))/" "$status"
    sleep 6
}

prepare_off() {
    quietly portcullis guard off
    pfctl -d
    quietly portcullis status --check || true
}

prepare_off_exposed() {
    prepare_off
    debugger 0.0.0.0
}

prepare_own_ports() {
    local number
    for number in $(seq 200); do
        printf '[[port]]\nname = "worker-%s"\ntitle = "Worker %s"\nport = "%s"\n' "$number" "$number" $((30000 + number))
    done | preferences
    prepare_closed
}

submenus_own_ports() {
    open_menu
    keys Down Down Down Down Down Down Down Down Down Right
    screenshot "$shots/sub.more-ports.png"
    close_menu
}

prepare_bad_preferences() {
    prepare_closed
    quietly portcullis open 2345 --from lan --for 2h
    echo 'show = 5' | preferences
}
