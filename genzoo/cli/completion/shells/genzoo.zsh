#compdef genzoo
# Completion of genzoo in zsh: as a file _genzoo in a folder of fpath, or evaluated after compinit.
_genzoo() {
    local mode=none line value text
    local -a values shown rest
    while IFS=$'\t' read -r value text; do
        if [[ -z $line ]]; then
            line=read mode=$value
        else
            values+=("$value")
            shown+=("${value}${text:+  -- $text}")
        fi
    done < <(_GENZOO_COMPLETE=zsh _GENZOO_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" "${words[1]/#\~\//$HOME/}" 2>/dev/null)
    [[ $mode == open ]] && rest=(-S '')
    ((${#values})) && compadd -l -V genzoo "${rest[@]}" -d shown -a values
    case $mode in
        files) _files ;;
        folders) _files -/ ;;
    esac
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _genzoo "$@"
else
    (($+functions[compdef])) || { autoload -Uz compinit && compinit }
    compdef _genzoo genzoo
fi
