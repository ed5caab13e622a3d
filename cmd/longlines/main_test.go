package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"longlines": main})
}

// TestScripts runs what the command line promises: each script with a server of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// What is common to all servers: nothing outside the script's directory, free ports.
			e.Setenv("LISTEN", "--api-listen=127.0.0.1:0 --admin-listen=127.0.0.1:0 --smsc-listen=127.0.0.1:0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveScript, "ready": readyScript, "code": codeScript, "json": jsonScript, "api": apiScript,
			"eventually": eventuallyScript, "taken": takenScript,
		},
	})
}

// patience bounds every wait of a script.
const patience = 20 * time.Second

// until tries again and again, until it succeeds or patience ends.
func until(ts *testscript.TestScript, what string, try func() error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v", what, err)
		}
	}
}

// serve NAME [FLAG ...] starts a server in the background and waits until it is ready. `kill -INT NAME`
// and `wait NAME` end it.
func serveScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve NAME [FLAG ...]")
	}
	ready := args[0] + ".json"
	line := append([]string{"longlines", "serve", "--ready-file=" + ready}, strings.Fields(ts.Getenv("LISTEN"))...)
	background(ts, args[0], append(line, args[1:]...))
	readyScript(ts, false, []string{ready})
}

// background is `exec LINE &NAME&`, of which testscript exports no function.
func background(ts *testscript.TestScript, name string, line []string) {
	cmd := exec.Command(line[0], line[1:]...)
	path, err := lookPath(ts, line[0])
	ts.Check(err)
	cmd.Path, cmd.Err = path, nil
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	ts.Setenv(name+"_PID", strconv.Itoa(cmd.Process.Pid))
	ts.Defer(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		out.Close()
		errs.Close()
	})
}
