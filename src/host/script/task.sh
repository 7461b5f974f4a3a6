# What is run once: tasks, and what a need asks of its provider.

# Runs a task's unit once. $1 the record's name, $2 what identifies it, $3 seconds, $4 idempotent or once, $5 its unit.
task() {
    record="$var/tasks/$1"
    if [ -e "$record" ]; then
        read -r state identity < "$record"
        if [ "$identity" = "$2" ]; then
            case $state in
            done) return 0 ;;
            running | elsewhere)
                if [ "$(ctl "show --value --property=ActiveState" "$5")" = activating ]; then
                    event "attach $5"
                elif [ "$4" != idempotent ]; then
                    event "unknown $5"
                    echo "nobody knows how it ended: the host went down while it ran. Look at its data and its journal; \`rm $record\` on the host lets it run again" >&2
                    return 1
                fi
                ;;
            esac
        fi
    fi
    mkdir -p "$var/tasks"
    echo "running $2" | whole "$record"
    ctl reset-failed "$5" 2>/dev/null
    limit=$3
    if ctl start "$5"; then
        echo "done $2" | whole "$record"
    else
        echo "failed $2" | whole "$record"
        journal "$5"
        return 1
    fi
}

# Records what becomes of tasks that another host runs for all of their group: due, elsewhere, done. $1 which, $2 lines of:
# record's name, what identifies it. What this host knows by itself of the same run stays, but for its end.
record() {
    mkdir -p "$var/tasks"
    printf '%s' "$2" | while read -r name identity; do
        state= was=
        [ ! -e "$var/tasks/$name" ] || read -r state was < "$var/tasks/$name"
        [ "$was" = "$identity" ] || state=
        case $1.$state in
        due.?* | elsewhere.running | elsewhere.failed | *.done) ;;
        *) echo "$1 $identity" | whole "$var/tasks/$name" ;;
        esac
    done
}

# Runs a provider's program in its container, once. $1 the record's name, $2 what identifies it, $3 the container, then the
# program's words; a secret is on standard input.
grant() {
    record="$var/tasks/$1" identity=$2 container=$3
    shift 3
    [ "$(line_of "$record")" != "done $identity" ] || return 0
    whose "$container"
    said=$(as "$account" podman exec --interactive "$object" "$@" 2>&1) || {
        put_clean failed "$(printf '%s' "$said" | tail -n 5)"
        return 0
    }
    mkdir -p "$var/tasks"
    echo "done $identity" | whole "$record"
}
