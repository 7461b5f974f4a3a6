# What wharf does on a host. It comes with each phase on standard input; /etc/wharf/host.sh is a copy, for the moments at
# which no operator is there: a boot, and a confirmation that does not come.
#
# /etc/wharf/current            the generation whose files are live; no file where there is none
# /etc/wharf/generations/N/     files: SHA MODE UID GID PATH of each; do, undo: what is done; manifest.json; result
# /etc/wharf/blobs/SHA          the bytes of those files
# /etc/wharf/intent             FROM TO PLAN HOW while a generation is not confirmed; HOW is auto or held
# /etc/wharf/undoing            the same while it is taken back
# /var/lib/wharf/files/         files by content, which containers mount
# /run/wharf/lease              who may change this host
set -u
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
etc=/etc/wharf var=/var/lib/wharf run=/run/wharf
newline='
'

# A frame: $1 its name, $2 its text.
put() { printf '%s %s\n%s' "$1" "${#2}" "$2"; }

# A frame of what a program says: $1 its name.
put_of() {
    name=$1
    shift
    text=$("$@" 2>/dev/null; printf .)
    put "$name" "${text%.}"
}

event() { put event "$*"; }

# Ends with a word about why.
die() {
    echo "$*" >&2
    exit 1
}

now() {
    read -r up _ < /proc/uptime
    echo "${up%.*}"
}

current() { cat "$etc/current" 2>/dev/null || echo 0; }

# Writes standard input to the file $1, whole or not at all.
whole() { cat > "$1.new" && sync "$1.new" && mv -T "$1.new" "$1"; }

files_of() { [ "$1" = 0 ] || cat "$etc/generations/$1/files"; }

# --- what the host is -----------------------------------------------------------------------------------------------

facts() {
    (
        [ ! -r /etc/os-release ] || . /etc/os-release
        echo "os ${ID:-unknown} ${VERSION_ID:-}"
    )
    echo "arch $(uname -m)"
    systemctl --version | { read -r _ version _ && echo "systemd $version"; }
    read -r _ _ version < "$1/version" && echo "podman $version"
    echo "cgroups $(stat -f -c %T /sys/fs/cgroup)"
    echo "boot $(cat /proc/sys/kernel/random/boot_id)"
    echo "uptime $(now)"
    echo "clock $(date +%s)"
    for path in /var/lib/containers /var/lib /etc; do
        [ ! -d "$path" ] || df -P -k "$path" | { read -r _ && read -r _ _ _ free _ && echo "disk $path $free"; }
    done
}

# Tells everything. $1 the paths to look at and $2 the units, a line each, beside those that a generation of ours has.
probe() {
    temporary=$(mktemp -d) || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    podman --version > "$temporary/version" 2>/dev/null &
    podman images --no-trunc --format '{{range .RepoDigests}}{{.}} {{end}}' > "$temporary/images" 2>/dev/null &
    podman secret ls --format '{{.Name}}' > "$temporary/secrets" 2>/dev/null &
    podman ps --all --format '{{.Names}} {{.State}} {{.Status}}' > "$temporary/containers" 2>/dev/null &
    here=$(current)
    {
        printf '%s' "$1"
        files_of "$here" 2>/dev/null | cut -d ' ' -f 5-
        [ "$here" = 0 ] || sed "s,^,$var/files/," "$etc/generations/$here/contents" 2>/dev/null
    } | sort -u > "$temporary/paths"
    {
        printf '%s' "$2"
        [ "$here" = 0 ] || cat "$etc/generations/$here/units" 2>/dev/null
    } | sort -u > "$temporary/units"
    put_of stat sh -c 'tr "\n" "\0" < "$1" | xargs -0 -r stat -c "%a %u %g %f %n"' sh "$temporary/paths"
    put_of sums sh -c 'tr "\n" "\0" < "$1" | xargs -0 -r sha256sum' sh "$temporary/paths"
    if [ -s "$temporary/units" ]; then
        put_of units sh -c 'tr "\n" "\0" < "$1" | xargs -0 systemctl show --property=Id,LoadState,ActiveState,SubState,Result,NRestarts,ActiveEnterTimestampMonotonic,NeedDaemonReload --' \
            sh "$temporary/units"
    fi
    for name in estate current intent undoing; do
        [ ! -e "$etc/$name" ] || put_of "$name" cat "$etc/$name"
    done
    [ "$here" = 0 ] || put_of manifest cat "$etc/generations/$here/manifest.json"
    [ ! -e "$run/lease" ] || put_of lease cat "$run/lease"
    put_of tasks sh -c 'cd "$1" 2>/dev/null && for name in *; do [ ! -f "$name" ] || { printf "%s " "$name"; cat "$name"; }; done' \
        sh "$var/tasks"
    wait
    put_of facts facts "$temporary"
    for name in images secrets containers; do put_of "$name" cat "$temporary/$name"; done
}

# Shows files. $1 their paths, a line each.
show() {
    printf '%s' "$1" | while IFS= read -r path; do
        put path "$path"
        put_of file cat "$path"
    done
}

# Shows what is left of each generation: its number, its result and its manifest.
generations() {
    for folder in "$etc"/generations/*/; do
        [ -f "$folder/manifest.json" ] || continue
        number=${folder%/}
        put generation "${number##*/}"
        put_of result cat "$folder/result"
        put_of manifest cat "$folder/manifest.json"
    done
}

# --- who may change it ----------------------------------------------------------------------------------------------

# Takes the lease, or says who has it. $1 a token, $2 for how many seconds, $3 what it says: who, when, plan, why.
lease_take() {
    mkdir -p "$run" && chmod 0700 "$run"
    mine="$run/lease.$1"
    printf 'token %s\nuntil %s\n%s' "$1" "$(($(now) + $2))" "$3" > "$mine"
    for try in 1 2 3; do
        if [ -e "$run/lease" ] && { lease_is "$1" || [ "$(lease_value until)" -le "$(now)" ]; }; then
            mv -T "$mine" "$run/lease"
            break
        fi
        # Of two that come at once, one link is made.
        if ln -T "$mine" "$run/lease" 2>/dev/null; then
            rm -f "$mine"
            break
        fi
        sleep 0.1
    done
    rm -f "$mine"
    lease_is "$1" || put_of leased cat "$run/lease"
}

lease_value() { sed -n "s/^$1 //p" "$run/lease" 2>/dev/null | head -n 1; }

lease_is() { [ "$(lease_value token)" = "$1" ]; }

lease_hold() {
    lease_is "$1" || die "the lease of this host is not ours any more"
    [ "$(lease_value until)" -gt "$(now)" ] || die "the lease of this host has ended"
}

# $1 the token; `any` breaks whoever has it.
lease_release() {
    [ -e "$run/lease" ] || return 0
    if [ "$1" = any ] || lease_is "$1"; then
        put_of released cat "$run/lease"
        rm -f "$run/lease"
    fi
}

# --- what it gets ---------------------------------------------------------------------------------------------------

# Pulls images. $1 references, a line each; $2 a registries.conf for this alone, where one is needed.
pull() {
    temporary=$(mktemp -d) || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    if [ -n "$2" ]; then
        printf '%s' "$2" > "$temporary/registries.conf"
        CONTAINERS_REGISTRIES_CONF="$temporary/registries.conf"
        export CONTAINERS_REGISTRIES_CONF
    fi
    printf '%s' "$1" > "$temporary/wanted"
    while IFS= read -r reference; do
        podman image exists "$reference" && continue
        event "pull $reference"
        podman pull --quiet "$reference" > /dev/null 2> "$temporary/said" < /dev/null || {
            put failed "$(tail -n 5 "$temporary/said")"
            return 0
        }
        event "pulled $reference"
    done < "$temporary/wanted"
}

# Puts generations beside the live one; nothing that runs sees it. A tar of blobs/, files/, secrets/ and generations/ is on
# standard input.
stage() {
    mkdir -p "$etc/blobs" "$etc/generations" "$var/files" "$var/tasks" "$run"
    chmod 0700 "$run" "$etc/blobs"
    rm -rf "$run"/stage.*
    # What was staged before and never came to be.
    for folder in "$etc"/generations/*/; do
        number=${folder%/} number=${number##*/}
        case $number in *.new) rm -rf "$folder" ;; *[!0-9]*) ;; *) [ "$number" -le "$(current)" ] || rm -rf "$folder" ;; esac
    done
    temporary=$(mktemp -d "$run/stage.XXXXXX") || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    tar -x -p --numeric-owner -f - -C "$temporary" || die "what was sent cannot be unpacked"
    move "$temporary/blobs" "$etc/blobs"
    move "$temporary/files" "$var/files"
    for file in "$temporary/secrets"/*; do
        [ -f "$file" ] || continue
        name=${file##*/}
        podman secret inspect "$name" > /dev/null 2>&1 || podman secret create "$name" "$file" > /dev/null || die "podman keeps no secret $name"
        rm -f "$file"
    done
    for folder in "$temporary"/generations/*; do
        [ -d "$folder" ] || continue
        number=${folder##*/}
        generators "$folder/files" "$temporary/try"
        rm -rf "$etc/generations/$number.new" "$etc/generations/$number"
        cp -rp "$folder" "$etc/generations/$number.new" || die "no place for generation $number"
        sync -f "$etc"
        mv -T "$etc/generations/$number.new" "$etc/generations/$number"
    done
    sync -f "$var"
}

# Moves the files of a folder into another, each whole or not at all.
move() {
    [ -d "$1" ] || return 0
    for file in "$1"/*; do
        [ -f "$file" ] || continue
        name=${file##*/}
        cp -p "$file" "$2/.$name.new" && mv -T "$2/.$name.new" "$2/$name" || die "no place for $2/$name"
    done
    sync -f "$2"
}

# Lets the host's own generator read the units of a generation that is not live. $1 its list, $2 a folder for it.
generators() {
    rm -rf "$2"
    mkdir -p "$2/quadlet" "$2/systemd"
    while read -r sha _ _ _ path; do
        [ -e "$etc/blobs/$sha" ] || die "the bytes of $path are not here"
        case $path in
        /etc/containers/systemd/users/*) ;;
        /etc/containers/systemd/*) cp "$etc/blobs/$sha" "$2/quadlet/${path##*/}" ;;
        /etc/systemd/system/*/*) ;;
        /etc/systemd/system/*) cp "$etc/blobs/$sha" "$2/systemd/${path##*/}" ;;
        esac
    done < "$1"
    for generator in /usr/libexec/podman/quadlet /usr/lib/podman/quadlet /usr/lib/systemd/system-generators/podman-system-generator; do
        [ -x "$generator" ] || continue
        said=$(QUADLET_UNIT_DIRS="$2/quadlet" "$generator" -dryrun 2>&1 > /dev/null) || die "$said"
        break
    done
    rm -rf "$2"
}

# --- the change -----------------------------------------------------------------------------------------------------

# Makes the files of one generation those of another. $1 from, $2 to, $3 a list of paths that are written in any case.
switch() {
    for number in "$1" "$2"; do
        [ "$number" = 0 ] || [ -f "$etc/generations/$number/files" ] || {
            echo "generation $number is not here" >&2
            return 1
        }
    done
    files_of "$1" | sort > "$run/from"
    files_of "$2" | sort > "$run/to"
    {
        comm -13 "$run/from" "$run/to"
        [ -z "$3" ] || [ ! -e "$3" ] || while IFS= read -r path; do
            while read -r sha mode uid gid other; do
                [ "$other" != "$path" ] || echo "$sha $mode $uid $gid $other"
            done < "$run/to"
        done < "$3"
    } | sort -u > "$run/write"
    while read -r sha mode uid gid path; do
        folder=${path%/*}
        [ -d "$folder" ] || mkdir -p "$folder"
        cp "$etc/blobs/$sha" "$path.wharf" && chown "$uid:$gid" "$path.wharf" && chmod "$mode" "$path.wharf" \
            && mv -T "$path.wharf" "$path" || {
            echo "$path cannot be written" >&2
            return 1
        }
    done < "$run/write"
    cut -d ' ' -f 5- < "$run/from" | sort > "$run/from.paths"
    cut -d ' ' -f 5- < "$run/to" | sort > "$run/to.paths"
    comm -23 "$run/from.paths" "$run/to.paths" | while IFS= read -r path; do rm -f "$path"; done
    sync -f "$etc"
    if [ "$2" = 0 ]; then rm -f "$etc/current"; else echo "$2" | whole "$etc/current"; fi
}

# Does what a list says. $1 the list, $2 from, $3 to. The first that fails ends it, and is said.
perform() {
    while read -r verb rest <&3; do
        event "begin $verb $rest"
        failed=
        case $verb in
        switch) switch "$2" "$3" "$etc/generations/$3/force" && systemctl daemon-reload || failed=$? ;;
        sysctl) /usr/lib/systemd/systemd-sysctl "$rest" || failed=$? ;;
        modules) /usr/lib/systemd/systemd-modules-load "$rest" || failed=$? ;;
        tmpfiles) systemd-tmpfiles --create "$rest" || failed=$? ;;
        stop) systemctl stop $rest || failed=$? ;;
        start | restart | reload) job "$verb" $rest || failed=$? ;;
        gate) gate $rest || failed=$? ;;
        # Their words are quoted.
        ready | exec) eval "$verb"_in "$rest" || failed=$? ;;
        task) task $rest || failed=$? ;;
        drop) podman $rest > /dev/null || failed=$? ;;
        *) failed=unknown ;;
        esac
        if [ -n "$failed" ]; then
            put failed "$verb $rest"
            return 1
        fi
        event "end $verb $rest"
    done 3< "$1"
}

# Starts, restarts or reloads units and waits for the result; $2 for how many seconds. A process is never ended for being late.
job() {
    what=$1 limit=$2
    shift 2
    [ "$what" != reload ] || set -- $(for unit; do ! systemctl --quiet is-active "$unit" || echo "$unit"; done)
    [ $# -gt 0 ] || return 0
    systemctl reset-failed "$@" 2>/dev/null
    timeout "$limit" systemctl "$what" "$@"
    code=$?
    for unit; do
        state=$(systemctl show --value --property=ActiveState "$unit")
        case $state in
        active) ;;
        *)
            journal "$unit"
            code=1
            ;;
        esac
    done
    return "$code"
}

# The end of a unit's journal.
journal() { put journal "$1$newline$(journalctl --no-pager --quiet --lines=20 --output=cat --unit "$1" 2>/dev/null)"; }

# Runs a program in a container, once. $1 its name, then the words. One that does not run has nothing to be told.
exec_in() {
    case $(health "$1") in gone) return 0 ;; esac
    said=$(podman exec "$@" 2>&1 < /dev/null) || {
        put journal "$1$newline$said"
        return 1
    }
}

# The same until it ends well. $1 seconds, $2 the container, then the words.
ready_in() {
    until=$(($(now) + $1))
    shift
    until said=$(podman exec "$@" 2>&1 < /dev/null); do
        if [ "$(now)" -ge "$until" ]; then
            put journal "$1$newline$said"
            return 1
        fi
        sleep 1
    done
}

# Waits until containers are healthy, then whether they stay so. $1 seconds for the one, $2 for the other, then NAME.
gate() {
    until=$(($(now) + $1)) stay=$2
    shift 2
    for name; do
        while :; do
            case $(health "$name") in
            healthy | running) break ;;
            esac
            if [ "$(now)" -ge "$until" ]; then
                event "unhealthy $name"
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
                journal "$name.service"
                return 1
                ;;
            esac
        done
    done
}

# healthy, starting, unhealthy; running where there is no check; gone.
health() {
    found=$(podman inspect --type container --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$1" 2>/dev/null) || found=gone
    case $found in
    "running " | "running <no value>") echo running ;;
    running\ *) echo "${found#running }" ;;
    *) echo gone ;;
    esac
}

# Runs a task's unit once. $1 the record's name, $2 what identifies it, $3 seconds, $4 idempotent or once, $5 its unit.
task() {
    record="$var/tasks/$1"
    if [ -e "$record" ]; then
        read -r state identity < "$record"
        if [ "$identity" = "$2" ]; then
            case $state in
            done) return 0 ;;
            running | elsewhere)
                if [ "$(systemctl show --value --property=ActiveState "$5")" = activating ]; then
                    event "attach $5"
                elif [ "$4" != idempotent ]; then
                    event "unknown $5"
                    return 1
                fi
                ;;
            esac
        fi
    fi
    mkdir -p "$var/tasks"
    echo "running $2" | whole "$record"
    systemctl reset-failed "$5" 2>/dev/null
    if timeout "$3" systemctl start "$5"; then
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

# Keeps what is needed where no operator is, and begins a generation. $1 its number, $2 the one before it, $3 the plan,
# $4 auto or held, $5 seconds until it is taken back, $6 the lease's token, $7 this script.
activate() {
    lease_hold "$6"
    if systemctl --quiet is-active wharf-activate.service; then
        read -r from to _ < "$etc/intent" || die "an activation is under way that nobody ordered"
        [ "$to" = "$1" ] || die "the activation of generation $to is under way"
        event "attach $1"
        follow
        return
    fi
    [ ! -e "$etc/undoing" ] || undo
    [ "$(current)" = "$2" ] || die "generation $(current) is live, not $2"
    [ -f "$etc/generations/$1/files" ] || die "generation $1 was not staged"
    printf '%s\n"$@"\n' "$7" | whole "$etc/host.sh"
    settler
    echo "$2 $1 $3 $4" | whole "$etc/intent"
    sync -f "$etc"
    systemctl stop wharf-undo.timer 2>/dev/null
    if [ "$4" = auto ]; then
        systemd-run --quiet --collect --unit=wharf-undo --on-active="$5" --timer-property=AccuracySec=1s \
            sh "$etc/host.sh" undo || die "no timer for the way back"
    fi
    : > "$run/activate.log"
    systemd-run --quiet --collect --unit=wharf-activate --property=StandardOutput="file:$run/activate.log" \
        --property=StandardError="file:$run/activate.said" sh "$etc/host.sh" work "$1" "$2" || die "the activation cannot be begun"
    follow
}

# Tells what an activation says, from its beginning to its end. It goes on where nobody listens.
follow() {
    pid=$(systemctl show --value --property=MainPID wharf-activate.service)
    if [ "${pid:-0}" != 0 ]; then
        tail -c +1 -s 0.1 --pid="$pid" -f "$run/activate.log"
    else
        cat "$run/activate.log"
    fi
}

# The activation itself.
work() {
    perform "$etc/generations/$1/do" "$2" "$1" && put activated "$1"
}

# What starts our units at boot: after what was begun is settled, and never before.
settler() {
    unit=/etc/systemd/system/wharf-settle.service
    if [ ! -e "$unit" ]; then
        whole "$unit" <<'END'
[Unit]
Description=Settles what wharf was in the middle of, then starts its units
After=local-fs.target
RequiresMountsFor=/var/lib/wharf /var/lib/containers

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/wharf/host.sh settle

[Install]
WantedBy=multi-user.target
END
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "$unit" /etc/systemd/system/multi-user.target.wants/wharf-settle.service
    fi
}

# At boot. A generation that nobody confirmed is taken back, unless it may not be.
settle() {
    mkdir -p "$run" && chmod 0700 "$run"
    if [ -e "$etc/undoing" ]; then
        read -r from to _ < "$etc/undoing"
        switch "$to" "$from" ""
        result "$to" "undone at boot"
        rm -f "$etc/undoing"
        systemctl daemon-reload
    elif [ -e "$etc/intent" ]; then
        read -r from to _ how < "$etc/intent"
        if [ "$how" = auto ]; then
            mv -T "$etc/intent" "$etc/undoing"
            switch "$to" "$from" ""
            result "$to" "undone at boot"
            rm -f "$etc/undoing"
        else
            switch "$from" "$to" ""
        fi
        systemctl daemon-reload
    fi
    for target in /etc/systemd/system/wharf-*.target; do
        [ ! -e "$target" ] || systemctl start --no-block "${target##*/}"
    done
}

result() { [ "$1" = 0 ] || echo "$2" | whole "$etc/generations/$1/result"; }

# Takes an unconfirmed generation back.
undo() {
    # Of a confirmation and this, one moves the file.
    [ -e "$etc/undoing" ] || mv -T "$etc/intent" "$etc/undoing" 2>/dev/null || return 0
    read -r from to _ < "$etc/undoing"
    systemctl stop wharf-activate.service 2>/dev/null
    : > "$run/undo"
    [ ! -e "$etc/generations/$to/undo" ] || cat "$etc/generations/$to/undo" > "$run/undo"
    sed -n '/^switch/,$!p' "$run/undo" > "$run/undo.before"
    sed -n '/^switch/,$p' "$run/undo" | sed 1d > "$run/undo.after"
    perform "$run/undo.before" "$to" "$from"
    switch "$to" "$from" ""
    systemctl daemon-reload
    outcome=undone
    perform "$run/undo.after" "$to" "$from" || outcome="undone, and not all is up"
    result "$to" "$outcome"
    rm -f "$etc/undoing"
    put undone "$to"
    systemctl stop wharf-undo.timer 2>/dev/null
    return 0
}

# Leaves a generation that is not confirmed as it is, for a person to look at. $1 the lease's token.
hold() {
    lease_hold "$1"
    [ -e "$etc/intent" ] || return 0
    read -r from to plan _ < "$etc/intent"
    systemctl stop wharf-undo.timer 2>/dev/null
    echo "$from $to $plan held" | whole "$etc/intent"
    result "$to" held
}

# Runs a provider's program in its container, once. $1 the record's name, $2 what identifies it, $3 the container, then the
# program's words; a secret is on standard input.
grant() {
    record="$var/tasks/$1" identity=$2 container=$3
    shift 3
    [ "$(cat "$record" 2>/dev/null)" != "done $identity" ] || return 0
    said=$(podman exec --interactive "$container" "$@" 2>&1) || {
        put failed "$(printf '%s' "$said" | tail -n 5)"
        return 0
    }
    mkdir -p "$var/tasks"
    echo "done $identity" | whole "$record"
}

# Makes a generation the one that stays. $1 its number, $2 the lease's token, $3 how many older ones are kept.
confirm() {
    lease_hold "$2"
    if [ -e "$etc/intent" ]; then
        read -r _ to _ < "$etc/intent"
        [ "$to" = "$1" ] || die "generation $to waits to be confirmed, not $1"
        if mv -T "$etc/intent" "$etc/confirmed" 2>/dev/null; then
            result "$1" confirmed
            rm -f "$etc/confirmed"
            systemctl stop wharf-undo.timer 2>/dev/null
            collect "$3"
            put confirmed "$1"
            return 0
        fi
    fi
    put undone "$1"
}

# Takes away what no kept generation names. $1 how many are kept beside the live one.
collect() {
    here=$(current)
    kept= left=$1
    for number in $(ls "$etc/generations" | grep -x '[0-9]*' | sort -n -r); do
        [ "$number" -ge "$here" ] || [ "$left" -gt 0 ] || continue
        [ "$number" -ge "$here" ] || left=$((left - 1))
        kept="$kept $number"
    done
    rm -f "$run/kept".*
    for number in $kept; do
        for list in files contents secrets images; do
            [ ! -e "$etc/generations/$number/$list" ] || cat "$etc/generations/$number/$list" >> "$run/kept.$list"
        done
    done
    for number in $(ls "$etc/generations" | grep -x '[0-9]*' | sort -n); do
        # Later ones are staged for what comes next.
        [ "$number" -lt "$here" ] || continue
        case " $kept " in *" $number "*) continue ;; esac
        for kind in secrets images; do
            [ -e "$etc/generations/$number/$kind" ] || continue
            while IFS= read -r name; do
                grep -q -x -F -e "$name" "$run/kept.$kind" 2>/dev/null && continue
                if [ "$kind" = secrets ]; then podman secret rm "$name"; else podman rmi "$name"; fi > /dev/null 2>&1
            done < "$etc/generations/$number/$kind"
        done
        rm -rf "$etc/generations/$number"
    done
    cut -d ' ' -f 1 "$run/kept.files" 2>/dev/null | sort -u > "$run/kept.blobs"
    for file in "$etc"/blobs/*; do
        [ ! -e "$file" ] || grep -q -x -F -e "${file##*/}" "$run/kept.blobs" || rm -f "$file"
    done
    for file in "$var"/files/*; do
        [ ! -e "$file" ] || grep -q -x -F -e "${file##*/}" "$run/kept.contents" 2>/dev/null || rm -f "$file"
    done
    rm -f "$run/kept".*
}
