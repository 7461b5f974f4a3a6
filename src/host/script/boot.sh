# What the host does when it boots.

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
    finish
    if [ -e "$etc/intent" ]; then
        read -r from to plan how _ < "$etc/intent"
        if [ "$how" = auto ]; then
            mv -T "$etc/intent" "$etc/undoing"
        else
            echo "generation $to of plan $plan is not confirmed, and may not be taken back: it stays"
            switch "$from" "$to" "" || echo "not all files are those of generation $to"
            reread "$from" "$to"
        fi
    fi
    if [ -e "$etc/undoing" ]; then
        read -r from to plan _ < "$etc/undoing"
        echo "nobody confirmed generation $to of plan $plan before the host went down: going back to generation $from"
        if switch "$to" "$from" ""; then
            undone "the host booted before anybody confirmed it"
        else
            echo "not all files are those of generation $from"
        fi
        reread "$from" "$to"
    fi
    wants && systemctl daemon-reload
    for target in /etc/systemd/system/wharf-*.target; do
        [ ! -e "$target" ] || systemctl start --no-block "${target##*/}"
    done
    here=$(current) limit=
    for account in $(accounts_of "$here"); do awake "$account"; done
    set -- $(sed -n '/^~.*\.target$/p' "$etc/generations/$here/units" 2>/dev/null)
    [ $# -eq 0 ] || ctl "start --no-block" "$@"
}
