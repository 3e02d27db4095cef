# Completion of genzoo in fish.
function __genzoo_complete
    set -l words (commandline -cpo)
    set -l lines (_GENZOO_COMPLETE=fish _GENZOO_LINE=(commandline -cp) $words[1] 2>/dev/null)
    for line in $lines[2..-1]
        echo $line
    end
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
    end
end
complete --no-files --keep-order --command genzoo --arguments '(__genzoo_complete)'
