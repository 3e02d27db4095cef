# Completion of genzoo in bash. It works without the package bash-completion.
_genzoo_complete() {
    local IFS=$'\n' mode value first=1 current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        if ((first)); then
            mode=$value first=0
        else
            COMPREPLY+=("$value")
        fi
    done < <(_GENZOO_COMPLETE=bash _GENZOO_LINE="${COMP_LINE:0:COMP_POINT}" _GENZOO_WORD=$current "${1/#\~\//$HOME/}" 2>/dev/null)
    [[ $current == [=:] ]] && current=
    case $mode in
        files | folders)
            # Bash quotes names of files. A run may have a name that it would otherwise run as a command.
            compopt -o filenames 2>/dev/null
            [[ $mode == files ]] && mode=file || mode=directory
            current=${current#[\'\"]} current=${current//\\/}
            while read -r value; do
                COMPREPLY+=("$value")
            done < <(compgen -A "$mode" -- "$current")
            ;;
        open) compopt -o nospace 2>/dev/null ;;
    esac
    return 0
}
# Bash before 4.4 knows no nosort, and before 4.0 no compopt.
complete -o nosort -F _genzoo_complete genzoo 2>/dev/null || complete -o filenames -F _genzoo_complete genzoo
