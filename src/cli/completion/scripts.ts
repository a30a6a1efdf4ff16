/**
 * Each script hands the words up to the cursor to `viv __complete`, which knows the commands; so a script never is older than the program.
 * The program is called as it was typed.
 */
export const completionScripts: Readonly<Record<string, string>> = {
  bash: `# viv: completion for bash. Load it with: source <(viv completion bash)
_viv() {
  local typed="\${COMP_LINE:0:COMP_POINT}" word line directive=words
  local -a words=()
  # Not COMP_WORDS, which is split at = and : too.
  read -ra words <<< "$typed"
  [[ "$typed" == *[[:blank:]] ]] && words+=('')
  word="\${words[-1]}"
  # bash completes what follows the last = or :, so what comes before it has to go from every candidate.
  local before="\${word%"\${word##*[=:]}"}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :*) directive="\${line:1}" ;;
      *) line="\${line%%$'\\t'*}"; COMPREPLY+=("\${line#"$before"}") ;;
    esac
  done < <("$1" __complete -- "\${words[@]:1}" 2> /dev/null)
  local rest="\${word#"$before"}" flag=-f
  [[ "$directive" == words ]] && return
  [[ "$directive" == directories ]] && flag=-d
  compopt -o filenames 2> /dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$flag" -- "$rest")
}
complete -F _viv viv
`,
  zsh: `#compdef viv
# viv: completion for zsh. Load it with: source <(viv completion zsh), after compinit
_viv() {
  local line directive=words word
  local -a candidates
  for line in "\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
    if [[ "$line" == :* ]]; then
      directive="\${line#:}"
    else
      word="\${line%%$'\\t'*}"
      candidates+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( \${#candidates} )) && _describe -V viv candidates
  case "$directive" in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
compdef _viv viv
`,
  fish: `# viv: completion for fish. Load it with: viv completion fish | source
function __viv_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l directive words
    for line in ($before[1] __complete -- $before[2..-1] "$current" 2>/dev/null)
        if string match -q ':*' -- $line
            set directive (string sub -s 2 -- $line)
        else
            echo $line
        end
    end
    switch $directive
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current" ''
    end
end
complete -c viv -f -k -a '(__viv_complete)'
`,
};
