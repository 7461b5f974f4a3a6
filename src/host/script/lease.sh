# Who may change the host.

# Takes the lease, or says who has it. $1 a token, $2 for how many seconds, $3 what it says: who, when, plan, why; $4 the token
# of somebody who is known to be gone.
lease_take() {
    mkdir -p "$run" && chmod 0700 "$run"
    mine="$run/lease.$1"
    printf 'token %s\nuntil %s\n%s' "$1" "$(($(now) + $2))" "$3" > "$mine" || die "no place for $mine"
    for try in 1 2 3; do
        if [ -e "$run/lease" ] && { lease_is "$1" || [ "$(lease_value until)" -le "$(now)" ] || { [ -n "$4" ] && lease_is "$4"; }; }; then
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
    lease_is "$1" || put_of leased lease_says
}

# The lease, with how much longer it lasts.
lease_says() {
    cat "$run/lease" || return
    echo "left $(($(lease_value until) - $(now)))"
}

# What the lease says under a word; nothing where there is none.
lease_value() {
    [ -r "$run/lease" ] || return 0
    while IFS= read -r said || [ -n "$said" ]; do
        case $said in
        "$1 "*)
            printf '%s\n' "${said#* }"
            return
            ;;
        esac
    done < "$run/lease"
}

lease_is() { [ "$(lease_value token)" = "$1" ]; }

lost() {
    echo "$*" >&2
    exit 9
}

# Goes on for $2 seconds more under the lease of the token $1, which has to be ours; one that ended and that nobody else took
# is ours still.
lease_hold() {
    [ -e "$run/lease" ] || lost "the lease of this host is gone: somebody broke it, or the host booted anew"
    lease_is "$1" || lost "the lease of this host is not ours any more: $(lease_value who) took it at $(lease_value when) for plan $(lease_value plan)"
    held=$1
    sed "s/^until .*/until $(($(now) + $2))/" "$run/lease" > "$run/lease.$1" && mv -T "$run/lease.$1" "$run/lease"
}

# $1 the token; `any` breaks whoever has it.
lease_release() {
    [ -e "$run/lease" ] || return 0
    if [ "$1" = any ] || lease_is "$1"; then
        put_of released cat "$run/lease"
        rm -f "$run/lease"
    fi
}
