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

	"longlines"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"longlines": main})
}

// TestScripts runs what the command line promises: each script with servers of its own, on free ports.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"API_LISTEN", "ADMIN_LISTEN", "SANDBOX_SMSC_LISTEN"} {
				e.Setenv("LONGLINES_"+name, "127.0.0.1:0")
			}
			e.Setenv("GORACE", "atexit_sleep_ms=0") // or each command sleeps a second under the race detector
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": readyScript, "code": codeScript, "json": jsonScript, "api": apiScript, "eventually": eventuallyScript, "taken": takenScript,
			"received": receivedScript,
		},
	})
}

// patience bounds every wait of a script.
const patience = 20 * time.Second

// until tries again and again until it succeeds or patience ends.
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

// ready FILE waits for a ready file. From then on client commands find that server, and $API, $ADMIN,
// $TOKEN, $SMSC_PORT and $CONSOLE tell where it is.
func readyScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	var info longlines.Info
	until(ts, "ready file", func() error {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &info) // it is whole or not there: no second look
	})
	for name, value := range map[string]string{"API": info.API, "ADMIN": info.Admin, "TOKEN": info.AdminToken,
		"LONGLINES_ADMIN": info.Admin, "LONGLINES_ADMIN_TOKEN": info.AdminToken} {
		ts.Setenv(name, value)
	}
	if info.SMSC != nil {
		_, port, err := net.SplitHostPort(info.SMSC.Addr)
		ts.Check(err)
		ts.Setenv("SMSC_PORT", port)
	}
}

// code N COMMAND ... runs a command that must end with the exit code.
func codeScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// eventually COMMAND ... runs a command until it succeeds.
func eventuallyScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually COMMAND ...")
	}
	until(ts, strings.Join(args, " "), func() error { return ts.Exec(args[0], args[1:]...) })
}

// json FILE PATH VALUE compares a member, named as apps.0.name, with a regular expression; VALUE =NAME
// puts it into a variable instead. FILE may be stdout. ! json FILE PATH: there is no such member.
func jsonScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 && !(neg && len(args) == 2) {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("%s holds more than one document", args[0])
	}
	there := true
	for name := range strings.SplitSeq(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v, there = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if there = err == nil && i < len(x); there {
				v = x[i]
			}
		default:
			there = false
		}
		if !there {
			break
		}
	}
	if neg && len(args) == 2 {
		if there {
			ts.Fatalf("%s is there: %v", args[1], v)
		}
		return
	}
	if !there {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	text, isText := v.(string)
	if !isText {
		b, err := json.Marshal(v)
		ts.Check(err)
		text = string(b)
	}
	if name, ok := strings.CutPrefix(args[2], "="); ok {
		ts.Setenv(name, text)
		return
	}
	re, err := regexp.Compile("^(?:" + args[2] + ")$")
	ts.Check(err)
	if re.MatchString(text) == neg {
		ts.Fatalf("%s is %q", args[1], text)
	}
}

// call calls the API listener as the demo app.
func call(ts *testscript.TestScript, method, path, body string) (status int, answer []byte, request string) {
	resp, err := http.PostForm(ts.Getenv("API")+"/oauth/v4/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {"sandbox-demo"}, "client_secret": {"sandbox-secret"}, "scope": {"SMS"}})
	ts.Check(err)
	defer resp.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&token))
	req, err := http.NewRequest(method, ts.Getenv("API")+path, strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err = http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	ts.Check(err)
	return resp.StatusCode, answer, resp.Header.Get("X-Request-Id")
}

// api STATUS METHOD PATH [BODY] calls the API listener as the demo app; the answer is stdout, its
// request id $REQUEST.
func apiScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: api STATUS METHOD PATH [BODY]")
	}
	status, answer, request := call(ts, args[1], args[2], strings.Join(args[3:], ""))
	ts.Stdout().Write(answer)
	ts.Setenv("REQUEST", request)
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("status %d, want %s", status, args[0])
	}
}

// received NAME polls the demo app's inbox until it holds a text, and puts its message id into a variable.
func receivedScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: received NAME")
	}
	until(ts, "inbox", func() error {
		_, answer, _ := call(ts, http.MethodGet, "/sms/v3/messaging/inbox/48507", "")
		var list struct {
			InboundSmsMessageList struct {
				InboundSmsMessage []struct{ MessageId string }
			}
		}
		if err := json.Unmarshal(answer, &list); err != nil {
			return err
		}
		l := list.InboundSmsMessageList.InboundSmsMessage
		if len(l) == 0 {
			return errors.New("empty")
		}
		ts.Setenv(args[0], l[0].MessageId)
		return nil
	})
}

// taken NAME opens a port until the script ends and puts its number into a variable.
func takenScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
}
