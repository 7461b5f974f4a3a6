# Whose things are: root's, or an ordinary account's.

# Units, images, secrets and containers of an ordinary account are called ~ACCOUNT/NAME; it has a manager and a podman of
# its own.

# Sets `account`, nothing for root's, and `object`. $1 what something is called.
whose() {
    case $1 in
    '~'*/*) account=${1#?} account=${account%%/*} object=${1#*/} ;;
    *) account= object=$1 ;;
    esac
}

# Runs a program as an account. $1 it, or nothing for root; then the words.
as() {
    [ -n "$1" ] || { shift && "$@" && return; return; }
    (
        uid=$(id -u "$1") && cd / || exit
        eval "home=~$1"
        as=$1
        shift
        # A program of podman's that stays keeps what it is given open.
        exec runuser -u "$as" -- env HOME="$home" XDG_RUNTIME_DIR="/run/user/$uid" \
            DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
    )
}

# Whether an account's manager runs.
is_awake() { [ -S "/run/user/$(id -u "$1")/systemd/private" ]; }

# Sees to it that it does. Units of accounts wait up to 90 seconds for a target that on some hosts nothing wants
# (podman-user-wait-network-online.service).
awake() {
    systemctl start --no-block network-online.target
    is_awake "$1" || systemctl start "user@$(id -u "$1").service"
}

# The accounts that a list of things names, a line each on standard input.
accounts() { sed -n 's,^~\([^/]*\)/.*,\1,p' | sort -u; }

# The accounts whose units generations have.
accounts_of() {
    for number; do
        [ ! -e "$etc/generations/$number/units" ] || cat "$etc/generations/$number/units"
    done | accounts
}

# Lets each manager do something with its units. $1 the words for systemctl before them, then the units. No longer than
# `limit` says, where it says something.
ctl() {
    words=$1 failure=0
    shift
    for manager in - $(printf '%s\n' "$@" | accounts); do
        mine=
        for each; do
            whose "$each"
            [ "${account:--}" != "$manager" ] || mine="$mine $object"
        done
        [ -n "$mine" ] || continue
        case $manager in
        -) ${limit:+timeout "$limit"} systemctl $words $mine || failure=$? ;;
        *) as "$manager" ${limit:+timeout "$limit"} systemctl --user $words $mine || failure=$? ;;
        esac
    done
    return "$failure"
}

# Lets targets of ours want the plain units that say so: systemd itself reads no [Install], podman's generator does for its
# own. Below /run, so that nothing is left over; a boot makes them again.
wants() {
    for scope in system user; do
        rm -rf "/run/systemd/$scope"/wharf-*.target.wants
        files_of "$(current)" | cut -d ' ' -f 5- | grep "^/etc/systemd/$scope/[^/]*$" | while IFS= read -r path; do
            for target in $(sed -n 's/^WantedBy=//p' "$path"); do
                case $target in
                wharf-*.target)
                    mkdir -p "/run/systemd/$scope/$target.wants"
                    ln -sfn "$path" "/run/systemd/$scope/$target.wants/${path##*/}"
                    ;;
                esac
            done
        done
    done
}

# Lets managers read their units again. $1 and $2 the generations whose units those are or were.
reread() {
    wants
    systemctl daemon-reload || return
    for account in $(accounts_of "$1" "$2"); do
        awake "$account" && as "$account" systemctl --user daemon-reload || return
    done
}
