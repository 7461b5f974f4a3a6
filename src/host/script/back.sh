# The way back.

result() { [ "$1" = 0 ] || echo "$2" | whole "$etc/generations/$1/result"; }

# A confirmation that the power went in the middle of.
finish() {
    [ -e "$etc/confirmed" ] || return 0
    read -r _ to _ < "$etc/confirmed"
    result "$to" confirmed
    rm -f "$etc/confirmed" "$etc/undone"
}

# Ends a way back: $1 why it was gone, $2 what is not well.
undone() {
    read -r from to plan _ base < "$etc/undoing"
    result "$to" "undone${2:-}"
    printf 'generation %s\nplan %s\nback %s\nwhen %s\nwhy %s\n' "$to" "$plan" "$from" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1${2:-}" | whole "$etc/undone"
    if [ "$from" != "${base:-$from}" ]; then
        # It was gone on from what nobody had confirmed.
        echo "$base $from $(line_of "$etc/generations/$from/plan") held $base" | whole "$etc/intent"
    fi
    sync -f "$etc"
    rm -f "$etc/undoing"
}

# Takes an unconfirmed generation back, or follows whoever does. $1 why.
undo() {
    systemctl stop wharf-undo.timer 2>/dev/null
    [ -e "$etc/intent" ] || [ -e "$etc/undoing" ] || return 0
    for unit in wharf-undo.service wharf-back.service; do
        is_active "$unit" || continue
        follow "$unit" "$run/undo.log"
        return
    done
    : > "$run/undo.log"
    # By itself: a connection that is lost does not halve it.
    systemd-run --quiet --collect --unit=wharf-back --property=StandardOutput="file:$run/undo.log" \
        --property=StandardError="file:$run/activate.said" sh "$etc/host.sh" undo_now "$1" || die "the way back cannot be begun"
    follow wharf-back.service "$run/undo.log"
}

# When the timer ends.
undo_late() {
    for file in "$etc/undoing" "$etc/intent"; do [ ! -e "$file" ] || break; done
    read -r from to plan _ 2>/dev/null < "$file" || return 0
    echo "nobody confirmed generation $to of plan $plan in time: going back to generation $from"
    undo_now "nobody confirmed it in time" > "$run/undo.log" || return 0
    if [ -e "$etc/undoing" ]; then
        echo "the way back did not end well:" "$(tail -n 3 "$run/undo.log")"
    else
        echo "generation $from is live again"
    fi
}

# The way back itself. $1 why.
undo_now() {
    # Of a confirmation and this, one moves the file.
    [ -e "$etc/undoing" ] || mv -T "$etc/intent" "$etc/undoing" 2>/dev/null || return 1
    sync -f "$etc"
    read -r from to _ < "$etc/undoing"
    systemctl stop wharf-activate.service 2>/dev/null
    failing=trouble
    : > "$run/undo"
    # Where its files were to come first and did not come, there is nothing to undo.
    if [ "$(current)" = "$to" ] || [ "$(head -n 1 "$etc/generations/$to/do")" != switch ]; then
        cat "$etc/generations/$to/undo" > "$run/undo"
    fi
    sed -n '/^switch/,$!p' "$run/undo" > "$run/undo.before"
    sed -n '/^switch/,$p' "$run/undo" | sed 1d > "$run/undo.after"
    [ "$(current)" != "$to" ] || perform "$run/undo.before" "$to" "$from"
    switch "$to" "$from" "" 2> "$run/step.said" || {
        put failed "the files of generation $from: $(last "$run/step.said")"
        return 0
    }
    reread "$from" "$to"
    bad=
    perform "$run/undo.after" "$to" "$from" || bad=", and not all is up"
    undone "$1" "$bad"
    put undone "$to"
    systemctl stop wharf-undo.timer 2>/dev/null
    return 0
}

# Leaves a generation that is not confirmed as it is, for a person to look at; what is not wholly there goes back.
hold() {
    systemctl stop wharf-undo.timer 2>/dev/null
    ! is_active wharf-undo.service || undo "nobody confirmed it in time"
    [ -e "$etc/intent" ] || return 0
    read -r from to plan _ base < "$etc/intent"
    if [ "$(current)" != "$to" ]; then
        undo "its files could not all be put in place"
        return
    fi
    echo "$from $to $plan held $base" | whole "$etc/intent"
    result "$to" held
    put held "$to"
}
