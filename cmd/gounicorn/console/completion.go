package console

import (
	"fmt"
	"strings"

	"github.com/gounicorn/gounicorn/server/settings"
)

// completionHead and completionTail are the script for bash around the tables. Where it offers nothing bash completes names of files.
const (
	completionHead = `# gounicorn's words for bash: source <(gounicorn ctl completion bash)
_gounicorn() {
    local word=${COMP_WORDS[COMP_CWORD]} command= i
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '%s' -- "$word"))
        return
    fi
    [ "${COMP_WORDS[1]}" = ctl ] || return
    case ${COMP_WORDS[COMP_CWORD-1]} in -s | --socket | --timeout) return ;; esac
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -s | --socket | --timeout) i=$((i + 1)) ;;
            -*) ;;
            *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $command in
        '') COMPREPLY=($(compgen -W '--socket --json --timeout --no-wait --help %s' -- "$word")) ;;
`
	completionTail = `    esac
}
complete -o default -F _gounicorn gounicorn
`
)

// showCompletion writes the script.
func showCompletion(s *session, args []string) int {
	if args[0] != "bash" {
		return s.failed(fmt.Errorf("there is completion for bash, not for %q", args[0]))
	}
	var verbs, commands []string
	for _, v := range Verbs() {
		verbs = append(verbs, v.Name)
	}
	for _, c := range ctlCommands() {
		commands = append(commands, c.name)
	}
	fmt.Fprintf(s.Stdout, completionHead, strings.Join(verbs, " "), strings.Join(commands, " "))
	for _, c := range ctlCommands() {
		if c.offered != "" {
			fmt.Fprintf(s.Stdout, "        %s) COMPREPLY=($(compgen -W '%s' -- \"$word\")) ;;\n", c.name, c.offered)
		}
	}
	fmt.Fprint(s.Stdout, completionTail)
	return exitOK
}

// settingNames are the words behind config.
func settingNames() string {
	var names []string
	for _, s := range settings.All {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}
