#!/bin/sh
# Install Edge Assistant as a service, bring an older one up to date, or take it away again. It may run as often as you like.
#
#   sudo ./install.sh                  install or update; from a bundle (`make bundle`) without any network
#   sudo ./install.sh --uninstall      take the program and its units away; conversations and models stay
#   sudo ./install.sh --purge          take everything away, conversations, models, configuration and user included
#
# Options: --python PYTHON (3.11 or newer), --drop-in raspberry-pi|jetson|pc|none (else found out),
#          --voice (microphone and speaker, not in every bundle), --no-start
#
# `edge-assistant update` (docs/updates.md) calls it with --beside NAME, which only puts the program together as
# versions/NAME, and with --units, which only brings user, folders and units up to date with the version it lies in.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
prefix=${EDGE_ASSISTANT_PREFIX:-/opt/edge-assistant}
units=/etc/systemd/system
state=${EDGE_ASSISTANT_STATE:-/var/lib/edge-assistant}
private=/var/lib/private/edge-assistant
python=""
drop_in=""
action=install
extras=systemd
start=yes

fail() {
    echo "error: $1" >&2
    exit "${2:-1}"
}

say() { echo "install: $*"; }

while [ $# -gt 0 ]; do
    case $1 in
        --uninstall) action=uninstall ;;
        --purge) action=purge ;;
        --python) shift; python=${1:?--python needs a path} ;;
        --drop-in) shift; drop_in=${1:?--drop-in needs a name} ;;
        --voice) extras="$extras,voice" ;;
        --no-start) start=no ;;
        --beside) shift; action=beside; name=${1:?--beside needs a name} ;;
        --units) action=units ;;
        *) fail "unknown option $1; the head of $0 lists them" 2 ;;
    esac
    shift
done

[ "$(id -u)" = 0 ] || [ $action = beside ] || fail "run it as root: sudo $0" 2

# A bundle has everything beside this script; a checkout has it one folder up.
if [ -d "$here/systemd" ]; then source=$here; else source=$(dirname "$here"); fi

running() { [ -d /run/systemd/system ]; }

stop_units() {
    running || return 0
    systemctl disable --now edge-assistant-update.timer edge-assistant-update-boot.timer edge-assistant.socket edge-assistant.service 2>/dev/null || true
    systemctl reset-failed edge-assistant.service 2>/dev/null || true
}

enable_units() {
    systemctl enable edge-assistant.service edge-assistant.socket edge-assistant-update.timer edge-assistant-update-boot.timer >/dev/null 2>&1 || true
    if running; then systemctl start edge-assistant-update.timer || true; fi
}

uninstall() {
    stop_units
    rm -rf "$units/edge-assistant.service" "$units/edge-assistant.socket" "$units/edge-assistant.service.d" \
        "$units/edge-assistant-update.service" "$units/edge-assistant-update.timer" \
        "$units/edge-assistant-update-boot.timer" \
        /etc/sysusers.d/edge-assistant.conf /etc/tmpfiles.d/edge-assistant.conf /usr/local/bin/edge-assistant \
        "$prefix"
    if running; then systemctl daemon-reload; fi
}

purge() {
    uninstall
    rm -rf "$state" "$private" /etc/edge-assistant /etc/credstore/edge-assistant.* /etc/credstore.encrypted/edge-assistant.*
    if getent passwd edge-assistant >/dev/null; then userdel edge-assistant; fi
    if getent group edge-assistant >/dev/null; then groupdel edge-assistant; fi
}

case $action in
    uninstall)
        uninstall
        say "taken away; $state and /etc/edge-assistant stay (--purge takes them too)"
        exit 0
        ;;
    purge)
        purge
        say "taken away with everything it knew"
        exit 0
        ;;
esac

find_python() {
    for candidate in $python python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer with venv is needed: sudo apt-get install python3-venv, or name one with --python"
}

board() {
    model=$(cat /proc/device-tree/model 2>/dev/null | tr -d "\000" || true)
    case $model in
        *Raspberry*) echo raspberry-pi ;;
        *Jetson* | *NVIDIA*) echo jetson ;;
        *) echo pc ;;
    esac
}

room() { # room FOLDER MEGABYTES: stop before anything is changed when the disk has no room
    free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] || fail "$1 has $free MB free and $2 MB are needed: make room, then run it again"
}

# Each version is a folder of its own, put together in its final place; `version` is written last, so that one without
# it is known to be half of one. What runs is what the symlink `current` names: it changes in one step.
put_together() { # put_together NAME
    mine="$prefix/versions/$1"
    say "the program as $1, with $python"
    mkdir -p "$prefix/versions"
    for folder in "$prefix"/versions/*/; do
        [ ! -d "$folder" ] || [ -f "$folder/version" ] || rm -rf "$folder"
    done
    rm -rf "$mine"
    # Not every tool that ran out of room says so: the shell does when it can't write.
    trap 'echo probe > "$mine/probe" || true; rm -rf "$mine"' EXIT
    mkdir "$mine"
    "$python" -m venv "$mine/.venv"
    pip="$mine/.venv/bin/python -m pip install -qq --disable-pip-version-check --no-warn-script-location"
    if [ -d "$source/wheels" ]; then
        [ -n "$(ls "$source"/wheels/systemd_python-* 2>/dev/null)" ] || extras=$(echo "$extras" | sed 's/^systemd,*//')
        $pip --no-index --find-links "$source/wheels" -c "$source/constraints.txt" "edge-assistant${extras:+[$extras]}"
    else
        "$source/provisioning/system-packages" run "$python"
        command -v pkg-config >/dev/null && pkg-config --exists libsystemd || extras=$(echo "$extras" | sed 's/^systemd,*//')
        $pip -c "$source/constraints.txt" "$source${extras:+[$extras]}"
    fi
    cp -r "$source/docs" "$source/systemd" "$here/install.sh" "$mine/"
    if [ -f "$source/release.json" ]; then cp "$source/release.json" "$mine/"; fi
    said=$("$mine/.venv/bin/python" -P -m edge_assistant --version) || fail "the program does not start"
    sync -f "$mine" 2>/dev/null || sync
    echo "$said" > "$mine/version.new"
    sync "$mine/version.new"
    mv "$mine/version.new" "$mine/version"
    sync "$mine"
    trap - EXIT
}

switch_to() { # switch_to NAME
    ln -sfn "versions/$1" "$prefix/current.new"
    mv -T "$prefix/current.new" "$prefix/current"
    sync "$prefix"
}

bring_models() {
    [ -d "$source/models" ] || return 0
    mkdir -p "$state/models"
    for model in "$source"/models/*/; do
        [ -d "$model" ] || continue
        model_name=$(basename "$model")
        [ ! -d "$state/models/$model_name" ] || chown -hR --reference="$state/models" "$state/models/$model_name"
        # Copied under another name first, so that half a model never looks like one. Root only reads: the folder
        # is the service's, which might have laid links in it.
        tar -C "$model" -c . | setpriv --reuid "$(stat -c %u "$state/models")" --regid "$(stat -c %g "$state/models")" \
            --clear-groups sh -ec '
                cd "$1"
                rm -rf ".$2.new"
                mkdir ".$2.new"
                tar -C ".$2.new" -x
                rm -rf "$2"
                mv ".$2.new" "$2"' sh "$state/models" "$model_name" ||
            fail "the model $model_name could not be put into $state/models"
        say "model $model_name"
    done
}

if [ $action != units ]; then
    python=$(find_python)
fi
if [ $action = beside ]; then
    bring_models
    put_together "$name"
    exit 0
fi
if [ $action = units ]; then # those of the board that it was installed for
    drop_in=none
    for board in raspberry-pi jetson pc; do
        [ ! -f "$units/edge-assistant.service.d/10-$board.conf" ] || drop_in=$board
    done
fi
[ -n "$drop_in" ] || drop_in=$(board)
[ "$drop_in" = none ] || [ -f "$source/systemd/drop-ins/$drop_in.conf" ] || fail "there is no drop-in $drop_in" 2

install_units() {
    say "user, folders, units ($drop_in)"
    install -D -m 644 "$source/systemd/sysusers.conf" /etc/sysusers.d/edge-assistant.conf
    install -D -m 644 "$source/systemd/tmpfiles.conf" /etc/tmpfiles.d/edge-assistant.conf
    # The first version ran as a user that systemd made up at each start (DynamicUser=), with its state in a folder
    # for such users: both must be gone before a user of that name can be made.
    if [ -d "$private" ] && { [ -L "$state" ] || [ ! -e "$state" ]; }; then
        if running; then systemctl stop edge-assistant.service || true; fi
        rm -f "$state"
        mv -T "$private" "$state"
    fi
    systemd-sysusers /etc/sysusers.d/edge-assistant.conf
    # A folder from another card belongs to a number that is nobody's, or somebody else's, here.
    [ ! -d "$state" ] || [ "$(stat -c %U "$state")" = edge-assistant ] || chown -R edge-assistant:edge-assistant "$state"
    systemd-tmpfiles --create /etc/tmpfiles.d/edge-assistant.conf
    install -D -m 644 "$source/systemd/edge-assistant.service" "$units/edge-assistant.service"
    install -D -m 644 "$source/systemd/edge-assistant.socket" "$units/edge-assistant.socket"
    install -D -m 644 "$source/systemd/edge-assistant-update.service" "$units/edge-assistant-update.service"
    install -D -m 644 "$source/systemd/edge-assistant-update.timer" "$units/edge-assistant-update.timer"
    install -D -m 644 "$source/systemd/edge-assistant-update-boot.timer" "$units/edge-assistant-update-boot.timer"
    # Replaced in one step: it decides which version starts.
    install -D -m 755 "$source/systemd/guard" "$prefix/guard.new"
    mv "$prefix/guard.new" "$prefix/guard"
    # Ours are named 10-…; those that people write beside them stay.
    mkdir -p "$units/edge-assistant.service.d"
    rm -f "$units"/edge-assistant.service.d/10-*.conf
    add_drop_in() { install -m 644 "$source/systemd/drop-ins/$1.conf" "$units/edge-assistant.service.d/10-$1.conf"; }
    [ "$drop_in" = none ] || add_drop_in "$drop_in"
    version=$(systemctl --version | awk 'NR == 1 { print $2 + 0 }')
    [ "$version" -lt 253 ] || add_drop_in notify-reload
    [ "$version" -lt 254 ] || add_drop_in restart-steps
}

if [ $action = units ]; then
    install_units
    # What its owner switched off stays so.
    systemctl enable edge-assistant-update.timer edge-assistant-update-boot.timer >/dev/null 2>&1 || true
    if running; then
        systemctl daemon-reload
        systemctl start edge-assistant-update.timer || true
    fi
    exit 0
fi

[ -d /opt ] || mkdir -p /opt
room /opt 1200
room /var/lib 400

# The program is put together beside the old one and takes its place when it is whole: a failure, a full disk
# or a power cut leaves the old one running. The one before stays for `edge-assistant update rollback`.
before=$(readlink "$prefix/current" 2>/dev/null || true)
number=1
while [ -e "$prefix/versions/installed-$number" ]; do number=$((number + 1)); done
put_together "installed-$number"
rm -f "$prefix/update/probation" "$state"/assistant.db.before-update*
switch_to "installed-$number"
install_units
ln -sfn "$prefix/current/.venv/bin/edge-assistant" /usr/local/bin/edge-assistant
for folder in "$prefix"/versions/*/; do
    case versions/$(basename "$folder") in "versions/installed-$number" | "$before") ;; *) rm -rf "$folder" ;; esac
done

bring_models

if ! running; then
    say "systemd does not run here: enabled for the next boot"
    enable_units
    exit 0
fi
systemctl daemon-reload
enable_units
[ "$start" = yes ] || exit 0
systemctl stop edge-assistant.service 2>/dev/null || true
systemctl restart edge-assistant.socket
systemctl restart edge-assistant.service || fail "it does not start: journalctl -u edge-assistant"
# Where the first versions lay, which one folder held.
rm -rf "$prefix/.venv" "$prefix/docs"
say "it runs; sign a browser in with: sudo -u edge-assistant STATE_DIRECTORY=$state edge-assistant pair"
