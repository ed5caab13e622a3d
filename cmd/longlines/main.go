// Command longlines is the platform and the tool to steer it: `longlines serve` runs everything, all
// other commands are clients of its admin listener.
//
// Data goes to standard output, talk to standard error; `--output json` prints one JSON document and
// nothing else. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 configuration invalid, 4 not found,
// 5 not authorised, 6 conflict, 7 unreachable, 8 time-out waiting, 130 interrupted
// (docs/reference/conventions.md §3.1).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the whole command line.
type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the platform (without a configuration: the sandbox on loopback)."`
	App        appCmd        `cmd:"" help:"Apps: create, list, show, set, promote, import, rotate, delete."`
	Link       linkCmd       `cmd:"" help:"Links to message centres: create, list, show, test, pause, resume, delete."`
	Route      routeCmd      `cmd:"" help:"Which link carries which numbers: add, list, test, delete."`
	Send       sendCmd       `cmd:"" help:"Send a text as an app."`
	Phone      phoneCmd      `cmd:"" help:"The virtual phones: list, inbox, send."`
	Quota      quotaCmd      `cmd:"" help:"What an app may call per minute and per day: show, set."`
	Consent    consentCmd    `cmd:"" help:"What subscribers have allowed apps: list, revoke."`
	Subscriber subscriberCmd `cmd:"" help:"What is kept of a number: show, optout, signout."`
	Logs       logsCmd       `cmd:"" help:"Show the calls of apps, as they come with --follow."`
	Audit      auditCmd      `cmd:"" help:"Who changed what: list, verify."`
	Explain    explainCmd    `cmd:"" help:"Explain an error code, a message id or a request id."`
	Demo       demoCmd       `cmd:"" help:"Tell the whole story on an ephemeral store, with the wire shown."`
	Bench      benchCmd      `cmd:"" help:"Measure a running server."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for bash, zsh or fish."`
	Help       helpCmd       `cmd:"" help:"Show help for a command, or for exit-codes."`
}

// Exit codes.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitConfig       = 3
	exitNotFound     = 4
	exitUnauthorised = 5
	exitConflict     = 6
	exitUnreachable  = 7
	exitTimeout      = 8
	exitInterrupted  = 130
)

// exitError carries an exit code up to main.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func fail(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// env is what a command may touch, so that tests can run it in the process.
type env struct {
	ctx    context.Context
	out    io.Writer
	err    io.Writer
	vars   []string
	parser *kong.Kong
	node   *kong.Node // the command that runs; nil: none of a command line
}

// getenv is a variable of the command's environment.
func (e *env) getenv(name string) string {
	for _, v := range e.vars {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errw io.Writer, vars []string) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("longlines"),
		kong.Description("A carrier's API platform: OAuth, SMS and more for apps; SMPP and more for the network; a virtual network to try it on."),
		kong.Writers(out, errw),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(valueHelp),
		kong.Vars{"scopes": scopeNames()},
	)
	if err != nil {
		fmt.Fprintln(errw, "longlines:", err)
		return exitFailed
	}
	e := &env{ctx: ctx, out: out, err: errw, vars: vars, parser: parser}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help has spoken
		return exited
	}
	if err != nil {
		fmt.Fprintf(errw, "longlines: %v\nTry: %s\n", err, helpLine(err))
		return exitUsage
	}
	e.node = k.Selected()
	err = k.Run(e)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(errw, "longlines: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(errw, "longlines:", printable(err.Error())) // it may say what a stranger said
	var ee *exitError
	if errors.As(err, &ee) {
		return ee.code
	}
	return exitFailed
}
