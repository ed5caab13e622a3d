package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"longlines/app"
	"longlines/number"
)

const (
	oldKey    = "0123456789abcdef0123456789abcdef" // 32 and 16 hexadecimal digits: docs/reference/oauth.md §8
	oldSecret = "fedcba9876543210"
)

func TestReadCSV(t *testing.T) {
	pizza := app.App{Name: "Pizza", Key: oldKey, Level: app.LevelSandbox}
	full := app.App{Name: "Pizza", Key: oldKey, Level: app.LevelProduction, Owner: "Pizza, Inc.", RedirectURI: "https://pizza.example/cb",
		Scopes: []app.Scope{"SMS", "IMMN"}, ShortCodes: []number.ShortCode{"48507", "48508"}, MessageListener: "https://pizza.example/m",
		StatusListener: "https://pizza.example/s", NotificationURL: "https://pizza.example/n"}
	row := "Pizza," + oldKey + "," + oldSecret
	for _, c := range []struct {
		name, doc string
		want      app.App
	}{
		{"three columns are enough", "name,key,secret\n" + row + "\n", pizza},
		{"columns may stand in any order and case", "Secret, KEY ,name\n" + oldSecret + "," + oldKey + ", Pizza \n", pizza},
		{"the last line needs no end", "name,key,secret\n" + row, pizza},
		{"a byte order mark and CRLF are taken", "\xef\xbb\xbfname,key,secret\r\n" + row + "\r\n", pizza},
		{"empty lines are skipped", "name,key,secret\n\n" + row + "\n\n", pizza},
		{"all columns", "name,key,secret,redirect_uri,scopes,short_codes,message_listener,status_listener,notification_url,level,owner\n" + row +
			",https://pizza.example/cb,SMS IMMN,48507 48508,https://pizza.example/m,https://pizza.example/s,https://pizza.example/n,production,\"Pizza, Inc.\"\n", full},
		{"commas and semicolons separate in a quoted cell", "name,key,secret,redirect_uri,scopes,short_codes,message_listener,status_listener,notification_url,level,owner\n" + row +
			",https://pizza.example/cb,\"SMS,IMMN\",\"48507;48508\",https://pizza.example/m,https://pizza.example/s,https://pizza.example/n,Production,\"Pizza, Inc.\"\n", full},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, wrong := app.ReadCSV([]byte(c.doc), app.LevelSandbox)
			if len(wrong) > 0 || len(list) != 1 {
				t.Fatalf("%d apps, wrong: %v", len(list), wrong)
			}
			if diff := cmp.Diff(c.want, list[0].App, exported); diff != "" || list[0].Secret != oldSecret {
				t.Fatal(diff, list[0].Secret)
			}
		})
	}
	t.Run("a line that names no level gets the one given", func(t *testing.T) {
		list, _ := app.ReadCSV([]byte("name,key,secret,level\na,ka,"+oldSecret+",\nb,kb,"+oldSecret+",sandbox\n"), app.LevelProduction)
		if len(list) != 2 || list[0].App.Level != app.LevelProduction || list[1].App.Level != app.LevelSandbox {
			t.Fatalf("%+v", list)
		}
	})
}

func TestReadCSVSaysAllThatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		want      []string // beginnings, in order
	}{
		{"an empty file has no head", "", []string{"line 1: the file is empty"}},
		{"a column that does not exist", "name,key,secret,colour\n", []string{`line 1: there is no column "colour"; there are: name,key`}},
		{"a column twice", "name,key,secret,key\n", []string{"line 1: the column key is there twice"}},
		{"semicolons between columns", "name;key;secret\n", []string{`line 1: there is no column "name;key;secret"`, "line 1: the column name is missing",
			"line 1: the column key is missing", "line 1: the column secret is missing"}},
		{"each line and each cell is told", "name,key,secret,short_codes,level\n" +
			",a b,short,12,gold\n" +
			"ok,k1," + oldSecret + ",,\n" +
			"OK,k1," + oldSecret + ",,\n", []string{
			"line 2: name: is empty", "line 2: key: may have", `line 2: level: "gold"`, `line 2: short_codes: "12"`, "line 2: secret: must have 8",
			`line 4: name: "ok" is in line 3 too`, `line 4: key: "k1" is in line 3 too`}},
		{"a short code in two lines", "name,key,secret,short_codes\na,ka," + oldSecret + ",48507\nb,kb," + oldSecret + ",48508 48507\n",
			[]string{`line 3: short_codes: "48507" is in line 2 too`}},
		{"too few and too many cells, and lines go on", "name,key,secret\na,ka\nb,kb," + oldSecret + ",x\nc,k c," + oldSecret + "\n",
			[]string{"line 2: has 2 cells, the head has 3", "line 3: has 4 cells", "line 4: key: "}},
		{"a line number counts the lines of a quoted cell", "name,key,secret,owner\na,ka," + oldSecret + ",\"x\ny\"\nb,k b," + oldSecret + ",\n",
			[]string{"line 2: owner: has the character U+000A", "line 4: key: "}},
		{"a quote that stands alone", "name,key,secret\na\"b,ka," + oldSecret + "\nb,k b," + oldSecret + "\n", []string{"line 2: column 2: bare", "line 3: key: "}},
		{"a quote without an end", "name,key,secret\n\"a,ka," + oldSecret + "\n", []string{"line 2: column "}},
		{"UTF-16", "\xff\xfen\x00a\x00", []string{"line 1: the file is UTF-16"}},
		{"a name in Latin-1", "name,key,secret\nCaf\xe9,ka," + oldSecret + "\n", []string{"line 2: is not UTF-8"}},
		{"too large", strings.Repeat("x", app.MaxImport+1), []string{"line 1: the file is larger than 8 MiB"}},
		{"too many apps", "name,key,secret\n" + many(10_001), []string{"line 10002: there are more than 10000 apps"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, wrong := app.ReadCSV([]byte(c.doc), app.LevelSandbox)
			compare(t, wrong, c.want)
		})
	}
	t.Run("a file that is nothing but mistakes is not read to its end", func(t *testing.T) {
		_, wrong := app.ReadCSV([]byte("name,key,secret\n"+strings.Repeat("x\n", 5000)), app.LevelSandbox)
		if len(wrong) != 100 {
			t.Fatalf("%d errors", len(wrong))
		}
	})
	t.Run("no error repeats a secret", func(t *testing.T) {
		const secret = "säcret-säcret"
		_, wrong := app.ReadCSV([]byte("name,key,secret\na,ka,"+secret+"\nb,k b,"+secret+"\n"), app.LevelSandbox)
		if len(wrong) != 3 || strings.Contains(fmt.Sprint(wrong), "säcret") {
			t.Fatalf("%v", wrong)
		}
	})
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d,k%d,%s\n", i, i, oldSecret)
	}
	return b.String()
}

func compare(t *testing.T, wrong []*app.LineError, want []string) {
	t.Helper()
	if len(wrong) != len(want) {
		t.Fatalf("%d errors, want %d: %v", len(wrong), len(want), wrong)
	}
	for i, w := range wrong {
		if !strings.HasPrefix(w.Error(), want[i]) {
			t.Errorf("%q, want %q", w, want[i])
		}
	}
}

func TestReadJSON(t *testing.T) {
	one := `{"name":"Pizza","key":"` + oldKey + `","secret":"` + oldSecret + `","scopes":["SMS","MMS"],"short_codes":"48507 48508","owner":"Inc."}`
	want := app.App{Name: "Pizza", Key: oldKey, Level: app.LevelSandbox, Scopes: []app.Scope{"SMS", "MMS"}, ShortCodes: []number.ShortCode{"48507", "48508"}, Owner: "Inc."}
	for name, doc := range map[string]string{
		"a list":                "[" + one + "]",
		"an object with a list": `{"apps":[` + one + `]}`,
		"other members of the object are no harm": `{"api":"x","apps":[` + one + `],"phones":["a"]}`,
		"a byte order mark and blanks are taken":  "\xef\xbb\xbf\r\n [ " + one + " ] \n",
	} {
		t.Run(name, func(t *testing.T) {
			list, wrong := app.ReadJSON([]byte(doc), "sandbox")
			if len(wrong) > 0 || len(list) != 1 || list[0].Secret != oldSecret {
				t.Fatalf("%d apps, wrong: %v", len(list), wrong)
			}
			if diff := cmp.Diff(want, list[0].App, exported); diff != "" {
				t.Fatal(diff)
			}
		})
	}
	for _, c := range []struct {
		name, doc string
		want      []string
	}{
		{"an empty file", "", []string{"line 1: the document ends too early"}},
		{"a text", `"apps"`, []string{"line 1: is neither a list"}},
		{"an object without apps", `{"app":[]}`, []string{"line 1: is neither a list"}},
		{"apps that are no list", `{"apps":{}}`, []string{"line 1: is neither a list"}},
		{"a broken document says where", "[\n" + one + ",\n{]", []string{"line 3: invalid character"}},
		{"a document cut off", "[\n" + one + ",\n", []string{"line 3: the document ends too early"}},
		{"something after the end", "[]\n[]", []string{"line 2: there is something after"}},
		{"a member that does not exist", "[\n\n" + strings.Replace(one, "owner", "colour", 1) + "]", []string{`line 3: there is no member "colour"`}},
		{"a number for a text", "[" + strings.Replace(one, `"Pizza"`, "7", 1) + "]", []string{"line 1: name: is not a text"}},
		{"an app that is no object", "[7,null,\n[]]", []string{"line 1: is not an object", "line 1: is not an object", "line 2: is not an object"}},
		{"what an app misses", "[\n{}]", []string{"line 2: name: is empty", "line 2: key: must have", "line 2: secret: must have"}},
		{"an app twice", "[" + one + ",\n" + one + "]", []string{`line 2: name: "pizza" is in line 1 too`, "line 2: key: ", "line 2: short_codes: ", "line 2: short_codes: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, wrong := app.ReadJSON([]byte(c.doc), "sandbox")
			compare(t, wrong, c.want)
		})
	}
}

func FuzzReadImport(f *testing.F) {
	for _, doc := range []string{
		"name,key,secret\nPizza," + oldKey + "," + oldSecret + "\n", "\xef\xbb\xbfname,key,secret,scopes\r\na,b," + oldSecret + ",\"SMS;MMS\"\r\n",
		"name,key,secret\n\"a\nb\",c\"d,e\n", `[{"name":"a","key":"b","secret":"` + oldSecret + `"}]`, `{"x":1,"apps":[{},7,{]}`, "[\n{},\n\n}", "{", "[1",
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		lines := strings.Count(string(doc), "\n") + 1
		for _, read := range []func([]byte, app.Level) ([]app.Import, []*app.LineError){app.ReadCSV, app.ReadJSON} {
			list, wrong := read(doc, app.LevelSandbox)
			for _, w := range wrong {
				if w.Line < 1 || w.Line > lines {
					t.Fatalf("%v of %d lines", w, lines)
				}
			}
			if len(wrong) > 0 {
				continue
			}
			for _, in := range list { // what is found good can be kept, and is read the same again
				cells := []string{in.App.Name, in.App.Key, in.Secret, app.JoinScopes(in.App.Scopes), string(in.App.Level), in.App.Owner, in.App.RedirectURI}
				for i := range cells {
					cells[i] = `"` + strings.ReplaceAll(cells[i], `"`, `""`) + `"`
				}
				again, wrong := app.ReadCSV([]byte("name,key,secret,scopes,level,owner,redirect_uri\n"+strings.Join(cells, ",")), "")
				if len(wrong) > 0 || len(again) != 1 || again[0].App.Name != in.App.Name || again[0].Secret != in.Secret || again[0].App.Owner != in.App.Owner {
					t.Fatalf("%+v read again: %+v %v", in, again, wrong)
				}
			}
		}
	})
}

func TestAMemberStandsOnceInJSON(t *testing.T) {
	for doc, why := range map[string]string{
		`[{"name":"a","key":"k","secret":"fedcba9876543210","name":"b"}]`:                   "name: is there twice",
		`[{"name":"a","key":"k","secret":"fedcba9876543210","scopes":[],"scopes":["SMS"]}]`: "scopes: is there twice",
		`{"apps":[{"name":"a","key":"k","secret":"fedcba9876543210"}],"apps":[]}`:           "the member apps is there twice",
	} {
		if _, wrong := app.ReadJSON([]byte(doc), app.LevelSandbox); len(wrong) != 1 || !strings.Contains(wrong[0].Error(), why) {
			t.Errorf("%s: %v", doc, wrong)
		}
	}
}

func TestImport(t *testing.T) {
	ctx := context.Background()
	_, d := open(t)
	old := app.Import{App: app.App{Name: "Old", Key: oldKey, ShortCodes: []number.ShortCode{"48507"}, Level: app.LevelSandbox}, Secret: oldSecret}
	with := func(change func(*app.Import)) app.Import {
		in := old
		change(&in)
		return in
	}
	run := func(t *testing.T, in app.Import, dry bool, want app.Outcome, why string) {
		t.Helper()
		got, err := d.Import(ctx, in, dry)
		if got != want || (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
			t.Fatalf("%q, %v; want %q, %q", got, err, want, why)
		}
	}
	t.Run("a dry run makes nothing", func(t *testing.T) {
		run(t, old, true, app.Created, "")
		if d.ByKey(oldKey) != nil {
			t.Fatal("made")
		}
	})
	t.Run("an old key and an old secret go on working", func(t *testing.T) {
		run(t, old, false, app.Created, "")
		a := d.ByKey(oldKey)
		if a == nil || !check(t, d, a, oldSecret) || check(t, d, a, strings.ToUpper(oldSecret)) {
			t.Fatalf("%+v", a)
		}
		if strings.Contains(string(a.Secret), oldSecret) || !strings.HasPrefix(string(a.Secret), "argon2id:") {
			t.Fatal("the secret is not kept as argon2id")
		}
	})
	t.Run("the same again is unchanged, also when the app has been changed since", func(t *testing.T) {
		if _, err := d.Update(ctx, d.ByKey(oldKey).ID, func(a *app.App) error { a.Owner = "Inc."; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, dry := range []bool{true, false} {
			run(t, old, dry, app.Unchanged, "")
		}
		if a := d.ByKey(oldKey); a.Owner != "Inc." {
			t.Fatalf("%+v", a)
		}
	})
	for _, c := range []struct {
		name string
		in   app.Import
		why  string
	}{
		{"a key with another name is refused", with(func(in *app.Import) { in.App.Name = "New" }), `key: of "Old"`},
		{"a key with another secret is refused", with(func(in *app.Import) { in.Secret = "0000000000000000" }), "another secret"},
		{"a name with another key is refused", with(func(in *app.Import) { in.App.Key = "other" }), "name: "},
		{"a short code of another app is refused", with(func(in *app.Import) { in.App.Name, in.App.Key = "New", "other" }), `short code 48507, of "Old"`},
		{"a malformed app is refused", with(func(in *app.Import) { in.App.Key = "a b" }), "key: "},
		{"an app without a secret is refused, and not given one", with(func(in *app.Import) { in.App.Name, in.App.Key, in.App.ShortCodes, in.Secret = "New", "other", nil, "" }), "secret: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(d.All())
			for _, dry := range []bool{true, false} {
				run(t, c.in, dry, app.Refused, c.why)
			}
			if a := d.ByKey(oldKey); len(d.All()) != before || a.Name != "Old" || !check(t, d, a, oldSecret) {
				t.Fatal("something was changed")
			}
		})
	}
	t.Run("the key of a deleted app does not come back", func(t *testing.T) {
		if err := d.Delete(ctx, d.ByKey(oldKey).ID); err != nil {
			t.Fatal(err)
		}
		run(t, old, false, app.Refused, "was deleted")
	})
	t.Run("a store that does not answer is no refusal", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		got, err := d.Import(gone, app.Import{App: app.App{Name: "Late", Key: "late"}, Secret: oldSecret}, false)
		if got != "" || !errors.Is(err, context.Canceled) {
			t.Fatalf("%q %v", got, err)
		}
	})
}
