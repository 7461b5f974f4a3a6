# The steps of a change.

# Does what a list says. $1 the list, $2 from, $3 to, $4 a file that says how many of its lines are done already. The first that
# fails ends it, and is said.
perform() {
    line=0 end= by=
    skip=$([ -z "${4:-}" ] || line_of "$4")
    while read -r verb rest <&3; do
        line=$((line + 1))
        if [ "$verb" = deadline ]; then
            # Where it is gone on with, it begins anew.
            end=$(($(now) + ${rest% *})) by=$((end - ${rest#* }))
            continue
        fi
        [ "$line" -gt "${skip:-0}" ] || continue
        event "begin $verb $rest"
        failed=
        step "$2" "$3" 2> "$run/step.said" || failed=$?
        if [ -n "$failed" ]; then
            put_clean "$failing" "$(of_step): $(last "$run/step.said")"
            return 1
        fi
        [ -z "${4:-}" ] || echo "$line" | whole "$4"
        event "end $verb $rest"
    done 3< "$1"
}

# The line of a list in the variables verb and rest. $1 from, $2 to.
step() {
    case $verb in
    switch) switch "$1" "$2" "$etc/generations/$2/force" && reread "$1" "$2" ;;
    sysctl) /usr/lib/systemd/systemd-sysctl "$rest" ;;
    modules) /usr/lib/systemd/systemd-modules-load "$rest" ;;
    tmpfiles) systemd-tmpfiles --create "$rest" ;;
    stop) stop $rest ;;
    start | restart | reload) job "$verb" $rest ;;
    gate) gate $rest ;;
    # Their words are quoted.
    ready | exec) eval "$verb"_in "$rest" ;;
    task) task $rest ;;
    drop) drop $rest ;;
    *) echo "this host does not know \`$verb\`" >&2 && return 1 ;;
    esac
}

# The last lines of a file, as one.
last() { tail -n 4 "$1" | paste -s -d '|' | sed 's/|/; /g'; }

# It for a person: without the numbers. Words of programs may hold what `echo` changes.
of_step() {
    case $verb in
    start | restart | reload | ready) printf '%s\n' "$verb ${rest#* }" ;;
    gate) rest=${rest#* } && printf '%s\n' "health of ${rest#* }" ;;
    task) printf '%s\n' "task ${rest%% *}" ;;
    *) printf '%s\n' "$verb${rest:+ $rest}" ;;
    esac
}

# Ends units; what systemd does not know is ended.
stop() {
    known= limit=
    for unit; do [ "$(ctl "show --value --property=LoadState" "$unit")" = not-found ] || known="$known $unit"; done
    [ -n "$known" ] || return 0
    ctl stop $known || return
    # One whose process had to be killed has not failed: it was to end.
    ctl reset-failed $known 2>/dev/null || :
}

# For how many seconds something is waited for still: $1, and no longer than until $2, where that says something.
within() {
    left=$1
    if [ -n "$2" ]; then
        left=$(($2 - $(now)))
        [ "$left" -lt "$1" ] || left=$1
        [ "$left" -gt 1 ] || left=1
    fi
    echo "$left"
}

# Starts, restarts or reloads units and waits for the result; $2 for how many seconds. A process is never ended for being late.
job() {
    what=$1 limit=$(within "$2" "$by")
    shift 2
    [ "$what" != reload ] || set -- $(for unit; do ! ctl "--quiet is-active" "$unit" || echo "$unit"; done)
    [ $# -gt 0 ] || return 0
    ctl reset-failed "$@" 2>/dev/null
    ctl "$what" "$@"
    code=$?
    for unit; do
        state=$(ctl "show --value --property=ActiveState" "$unit")
        case $state in
        active) ;;
        *)
            echo "$unit is $state ($(systemctl show --value --property=Result "$unit"))" >&2
            journal "$unit"
            code=1
            ;;
        esac
    done
    return "$code"
}

# Takes podman's volume or network away, with what it holds. $1 which, $2 its name.
drop() {
    kind=$1
    whose "$2"
    if as "$account" podman "$kind" exists "$object"; then as "$account" podman "$kind" rm "$object" > /dev/null || return; fi
    [ "$kind" != volume ] || rm -f "$var/volumes/$2"
}

# The end of a unit's journal.
journal() {
    whose "$1"
    name=$1
    if [ -z "$account" ]; then
        set -- --unit "$object"
    else
        uid=_UID=$(id -u "$account")
        set -- "$uid" "_SYSTEMD_USER_UNIT=$object" + "$uid" "USER_UNIT=$object"
    fi
    put_clean journal "$name$newline$(journalctl --no-pager --quiet --lines=20 --output=cat "$@" 2>/dev/null)"
}

# Runs a program in a container, once. $1 its name, then the words. One that does not run has nothing to be told.
exec_in() {
    case $(health "$1") in gone) return 0 ;; esac
    whose "$1"
    shift
    said=$(as "$account" podman exec "$object" "$@" 2>&1 < /dev/null) || {
        code=$?
        put_clean journal "$object$newline$said"
        echo "it ended with $code" >&2
        return 1
    }
}

# The same until it ends well. $1 seconds, $2 the container, then the words.
ready_in() {
    until=$(($(now) + $(within "$1" "$end")))
    whose "$2"
    shift 2
    while :; do
        said=$(as "$account" podman exec "$object" "$@" 2>&1 < /dev/null) && return
        code=$?
        if [ "$(now)" -ge "$until" ]; then
            put_clean journal "$object$newline$said"
            echo "it ended with $code still when its time was over" >&2
            return 1
        fi
        sleep 1
    done
}

# Waits until containers are healthy, then whether they stay so. $1 seconds for the one, $2 for the other, then NAME.
gate() {
    until=$(($(now) + $(within "$1" "$by"))) stay=$2
    shift 2
    for name; do
        while :; do
            case $(health "$name") in
            healthy | running) break ;;
            esac
            if [ "$(now)" -ge "$until" ]; then
                event "unhealthy $name"
                echo "$name is $(health "$name") when its time is over" >&2
                journal "$name.service"
                return 1
            fi
            sleep 0.5
        done
    done
    until=$(($(now) + stay))
    while [ "$(now)" -lt "$until" ]; do
        sleep 1
        for name; do
            case $(health "$name") in
            healthy | running) ;;
            *)
                event "unhealthy $name"
                echo "$name did not stay healthy: it is $(health "$name")" >&2
                journal "$name.service"
                return 1
                ;;
            esac
        done
    done
}

# healthy, starting, unhealthy; running where there is no check; gone.
health() {
    whose "$1"
    found=$(as "$account" podman inspect --type container --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$object" 2>/dev/null) || found=gone
    case $found in
    "running " | "running <no value>") echo running ;;
    running\ *) echo "${found#running }" ;;
    *) echo gone ;;
    esac
}
