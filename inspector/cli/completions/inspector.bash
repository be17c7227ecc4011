# SPDX-License-Identifier: MIT
#
# Completion of inspector for bash.  The program itself knows its commands and options, and asks traced for nodes, peers and traces.

_inspector() {
    local all=("${COMP_WORDS[@]:1:COMP_CWORD-1}") words before left candidate
    COMPREPLY=()
    [[ ${COMP_WORDS[COMP_CWORD]} == [=:]* ]] && all+=("${COMP_WORDS[COMP_CWORD]}")
    # bash cuts --option=value and addresses into several words, and replaces only the last.  We pass on the whole word.
    words=("${all[@]}") before=${COMP_LINE:0:COMP_POINT} before=${before##*[[:space:]]} before=${before%"$2"} left=$before
    while [[ $left && ${#words[@]} -gt 0 && $left == *"${words[-1]}" ]]; do
        left=${left%"${words[-1]}"}
        unset 'words[-1]'
    done
    [[ $left ]] && before='' words=("${all[@]}") # it is quoted: one word
    before=${before//\\/}                         # of \[, where an address of IPv6 begins
    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == :files ]]; then
            compopt -o default
        else
            COMPREPLY+=("${candidate#"$before"}")
        fi
    done < <("$1" complete "${words[@]}" "$before${2//\\/}" 2>/dev/null)
}

complete -o nosort -F _inspector inspector
