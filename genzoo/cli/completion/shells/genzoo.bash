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
    done < <(_GENZOO_COMPLETE=bash _GENZOO_LINE="${COMP_LINE:0:COMP_POINT}" _GENZOO_WORD=$current "$1" 2>/dev/null)
    [[ $current == [=:] ]] && current=
    case $mode in
        files) COMPREPLY+=($(compgen -f -- "$current")) && compopt -o filenames ;;
        folders) COMPREPLY+=($(compgen -d -- "$current")) && compopt -o filenames ;;
        open) compopt -o nospace ;;
    esac
    return 0
}
complete -o nosort -F _genzoo_complete genzoo 2>/dev/null || complete -F _genzoo_complete genzoo
