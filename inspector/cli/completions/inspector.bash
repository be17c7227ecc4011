# SPDX-License-Identifier: MIT
#
# Completion of inspector for bash.  The program itself knows its commands and options, and asks traced for what is alive.

_inspector() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}") candidate
    COMPREPLY=()
    [[ ${COMP_WORDS[COMP_CWORD]} == = ]] && words+=(=) # of --option=, which bash makes a word
    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == :files ]]; then
            compopt -o default
        else
            COMPREPLY+=("$candidate")
        fi
    done < <("$1" complete "${words[@]}" "$2" 2>/dev/null)
}

complete -o nosort -F _inspector inspector
