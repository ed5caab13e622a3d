package main

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"longlines"
)

type versionCmd struct {
	output
}

func (cmd *versionCmd) Run(e *env) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	if cmd.JSON() {
		return e.printJSON(map[string]string{"version": longlines.Version, "revision": revision, "go": runtime.Version()})
	}
	fmt.Fprintf(e.out, "longlines %s %s %s/%s\n", longlines.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"A command, or exit-codes."`
}

const exitCodes = `Exit codes
  0    ok
  1    failed
  2    wrong usage
  3    configuration invalid
  4    not found
  5    not authorised
  6    conflict, or already there
  7    the platform or a peer is unreachable
  8    time-out while waiting
  130  interrupted
`

func (cmd *helpCmd) Run(e *env) error {
	if len(cmd.Topic) == 1 && cmd.Topic[0] == "exit-codes" {
		fmt.Fprint(e.out, exitCodes)
		return nil
	}
	trace, err := kong.Trace(e.parser, cmd.Topic)
	if err != nil {
		return err
	}
	if trace.Error != nil {
		return fail(exitUsage, "no command %q", strings.Join(cmd.Topic, " "))
	}
	return trace.PrintUsage(false)
}

// valueHelp is the help of a flag or an argument, with what kong leaves out: the words that it takes, and the
// default of a flag that shows something else in its place.
func valueHelp(v *kong.Value) string {
	shown := *v
	add := func(sep, format string, args ...any) {
		shown.Help = strings.TrimSuffix(shown.Help, ".") + sep + fmt.Sprintf(format, args...) + "."
	}
	words := slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
	if slices.ContainsFunc(words, func(s string) bool { return !strings.Contains(v.Help, s) }) {
		last := len(words) - 1
		add(": ", "%s or %s", strings.Join(words[:last], ", "), words[last])
	}
	if v.Flag != nil && v.Flag.PlaceHolder != "" && v.Default != "" && !strings.Contains(v.Help, "default") {
		add("; ", "default %s", v.Default)
	}
	return kong.DefaultHelpValueFormatter(&shown)
}

// helpLine is the command that tells what was typed wrongly.
func helpLine(err error) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		if node := wrong.Context.Selected(); node != nil {
			return "longlines " + node.Path() + " --help"
		}
	}
	return "longlines help"
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (cmd *completionCmd) Run(e *env) error {
	// One table of what may follow which words serves all three shells: the tree is small.
	follow := map[string][]string{}
	var add func(n *kong.Node, path string)
	add = func(n *kong.Node, path string) {
		for _, f := range n.Flags {
			if !f.Hidden {
				follow[path] = append(follow[path], "--"+f.Name)
			}
		}
		for _, c := range n.Children {
			if !c.Hidden {
				follow[path] = append(follow[path], c.Name)
				add(c, strings.TrimSpace(path+" "+c.Name))
			}
		}
	}
	add(e.parser.Model.Node, "")
	heads := slices.Sorted(maps.Keys(follow))
	switch cmd.Shell {
	case "fish":
		for _, head := range heads {
			fmt.Fprintf(e.out, "complete -c longlines -f -n \"test (__longlines_path) = '%s'\" -a '%s'\n", head, strings.Join(follow[head], " "))
		}
		// The words typed so far that are commands, not flags.
		fmt.Fprint(e.out, "function __longlines_path\n  set -l words (commandline -poc)\n  string join ' ' (string match -v -- '-*' $words[2..])\nend\n")
		return nil
	case "zsh":
		fmt.Fprintln(e.out, "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit")
	}
	fmt.Fprint(e.out, `_longlines() {
  local word path="" options=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; esac
    path="${path:+$path }$word"
  done
  case "$path" in
`)
	for _, head := range heads {
		fmt.Fprintf(e.out, "    '%s') options='%s' ;;\n", head, strings.Join(follow[head], " "))
	}
	fmt.Fprint(e.out, `  esac
  COMPREPLY=($(compgen -W "$options" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _longlines longlines
`)
	return nil
}
