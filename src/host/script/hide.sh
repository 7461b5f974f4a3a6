# What nobody is to see.

# A frame: $1 its name, $2 its text, without the values of the secrets that generations of this host have: podman's names of
# them stand for them. What programs print may hold them, and whoever stops or goes back has opened no secrets.
put_clean() {
    frame=$1 clean=$2 names=
    [ -z "$clean" ] || names=$(cat "$etc/generations"/*/secrets 2>/dev/null | sort -u)
    for manager in - $(printf '%s\n' "$names" | accounts); do
        mine=
        for each in $names; do
            whose "$each"
            [ "${account:--}" != "$manager" ] || mine="$mine $object"
        done
        [ -n "$mine" ] || continue
        # What is gone is passed over.
        set -- $(as "${manager#-}" podman secret inspect --format '{{.ID}} {{.Spec.Name}} {{index .Spec.Driver.Options "path"}}' $mine 2>/dev/null)
        while [ $# -ge 3 ]; do
            object=$2
            # As podman keeps it: one that tells values (--showsecret) came with 4.7. Words of the shell alone, and of no program.
            value=$(sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$3/secretsdata.json" 2>/dev/null | base64 -d 2>/dev/null | tr -d '\000')
            hide "$value" 6
            case $value in *"$newline"*) hide_lines ;; esac
            shift 3
        done
    done
    put "$frame" "$clean"
}

# Takes a text out of `clean`; one of fewer letters than $2 is no secret, and would be found anywhere.
hide() {
    [ "${#1}" -ge "$2" ] || return 0
    rest_of=$clean clean=
    while :; do
        case $rest_of in
        *"$1"*) clean="$clean${rest_of%%"$1"*}<secret $object>" rest_of=${rest_of#*"$1"} ;;
        *) break ;;
        esac
    done
    clean=$clean$rest_of
}

# The same with the lines of a file: they themselves, what is behind the `=` or `:` of one whose name says that it is secret, and
# the password of a URL.
hide_lines() {
    lines_of=$value$newline
    while [ -n "$lines_of" ]; do
        one=${lines_of%%"$newline"*} lines_of=${lines_of#*"$newline"}
        # Without the blanks around it.
        one=${one#"${one%%[![:space:]]*}"} one=${one%"${one##*[![:space:]]}"}
        case $one in
        *://*:*@*)
            word=${one#*://} word=${word%%@*}
            hide "${word#*:}" 6
            ;;
        *[Pp]ass*[=:]* | *[Ss]ecret*[=:]* | *[Tt]oken*[=:]* | *[Kk]ey*[=:]* | *PASS*[=:]* | *SECRET*[=:]* | *TOKEN*[=:]* | *KEY*[=:]*)
            word=${one#*[=:]} word=${word#"${word%%[![:space:]\"\']*}"} word=${word%"${word##*[![:space:]\"\',]}"}
            hide "$word" 6
            ;;
        esac
        hide "$one" 16
    done
}
