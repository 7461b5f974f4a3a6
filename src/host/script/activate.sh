# A change from its beginning to its end, and what an earlier one began.

# Keeps what is needed where no operator is, and begins a generation. $1 its number, $2 the one before it, $3 the plan,
# $4 auto or held, $5 seconds until it is taken back, $6 this script.
activate() {
    finish
    base=$2
    if [ -e "$etc/intent" ]; then
        read -r from to plan how base < "$etc/intent"
        if [ "$to $plan" = "$1 $3" ]; then
            # The connection was lost in the middle.
            event "attach $1"
            follow wharf-activate.service "$run/activate.log"
            return
        fi
        is_active wharf-activate.service && die "the activation of generation $to of plan $plan is under way"
        [ "$how" = held ] || die "generation $to of plan $plan is not confirmed: the next apply settles it"
    fi
    [ ! -e "$etc/undoing" ] || die "a generation is being taken back: the next apply settles it"
    [ "$(current)" = "$2" ] || die "generation $(current) is live, not $2: somebody changed it since the plan was made"
    [ "$(line_of "$etc/generations/$1/plan")" = "$3" ] || die "generation $1 of plan $3 is not staged"
    printf '%s\n"$@"\n' "$6" | whole "$etc/host.sh" || die "no place for $etc/host.sh"
    settler
    sync -f "$etc"
    # One that is taken back where it was gone on from what nobody confirmed goes back to that.
    echo "$2 $1 $3 $4 $base" | whole "$etc/intent" || die "no place for $etc/intent"
    sync -f "$etc"
    systemctl stop wharf-undo.timer 2>/dev/null
    if [ "$4" = auto ]; then
        systemd-run --quiet --collect --unit=wharf-undo --on-active="$5" --timer-property=AccuracySec=1s \
            sh "$etc/host.sh" undo_late || {
            rm -f "$etc/intent"
            die "no timer for the way back"
        }
    fi
    go_on "$1" "$2"
}

is_active() { systemctl --quiet is-active "$1"; }

# Begins an activation, or goes on with one that was broken off, and follows it. $1 its number, $2 the one before it.
go_on() {
    rm -f "$etc/generations/$1/ended"
    : > "$run/activate.log"
    systemd-run --quiet --collect --unit=wharf-activate --property=StandardOutput="file:$run/activate.log" \
        --property=StandardError="file:$run/activate.said" sh "$etc/host.sh" work "$1" "$2" || die "the activation cannot be begun"
    follow wharf-activate.service "$run/activate.log"
}

# Tells what a unit says, from its beginning to its end. It goes on where nobody listens. $1 the unit, $2 its log.
follow() {
    pid=$(systemctl show --value --property=MainPID "$1")
    if [ "${pid:-0}" != 0 ]; then
        tail -c +1 -s 0.1 --pid="$pid" -f "$2"
    else
        cat "$2"
    fi
}

# The activation itself.
work() {
    if perform "$etc/generations/$1/do" "$2" "$1" "$etc/generations/$1/at"; then
        echo well | whole "$etc/generations/$1/ended"
        put activated "$1"
    else
        echo badly | whole "$etc/generations/$1/ended"
    fi
}

# Ends what was begun and nobody confirmed, on behalf of somebody who comes later: confirms what ended well, takes back what may
# be taken back. What may not be taken back and was broken off goes on where it was. $1 how many older generations are kept.
attend() {
    finish
    if [ -e "$etc/undoing" ]; then
        undo "the apply that came later took it back"
        return
    fi
    [ -e "$etc/intent" ] || return 0
    read -r from to _ how _ < "$etc/intent"
    if is_active wharf-activate.service; then
        event "attach $to"
        follow wharf-activate.service "$run/activate.log"
    elif [ "$how" = held ] && [ "$(current)" = "$to" ] && [ ! -e "$etc/generations/$to/ended" ]; then
        go_on "$to" "$from"
    fi
    if [ "$(line_of "$etc/generations/$to/ended")" = well ]; then
        confirm "$to" "$1"
    elif [ "$how" = auto ] || [ "$(current)" != "$to" ]; then
        undo "the apply that came later took it back"
    else
        put held "$to"
    fi
}
