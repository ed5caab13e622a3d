package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"longlines/number"
)

// Import is an app that comes from elsewhere, as the retired platform, with the key and the secret that
// its program has in it (docs/reference/oauth.md §8): both stay as they are.
type Import struct {
	Line   int // where it stands in its file, from 1
	App    App
	Secret string // in clear, until it is hashed; it is for no log
}

// LineError is what is wrong with one line of an import.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

const (
	// MaxImport is how large a file of an import may be, in bytes.
	MaxImport = 8 << 20

	maxImports    = 10_000 // apps in a file
	maxLineErrors = 100    // after so many the file is another one than was meant
)

// importColumns are the columns of a CSV and the members of an app in JSON. Without the first three an
// app cannot be taken over.
var importColumns = []string{"name", "key", "secret", "redirect_uri", "scopes", "short_codes", "message_listener",
	"status_listener", "notification_url", "level", "owner"}

const mandatoryColumns = 3

// ReadCSV reads apps from comma-separated values (RFC 4180) with a head: name, key and secret, and any of
// redirect_uri, scopes, short_codes, message_listener, status_listener, notification_url, level, owner, in
// any order. Scopes and codes are separated by blanks, or inside a quoted cell by commas or semicolons. A
// byte order mark and either line end are taken. An app whose line names no level gets the one given.
//
// It returns the apps in the form in which they are kept, and all that is wrong, in the order of lines;
// no app must be made if there is anything.
func ReadCSV(doc []byte, level Level) ([]Import, []*LineError) {
	in := importer{level: level}
	if text, ok := in.text(doc); ok {
		in.csv(text)
	}
	return in.list, in.wrong
}

// ReadJSON is [ReadCSV] for a list of apps, or an object whose member apps is one. The members of an app
// are the columns of the CSV; scopes and short_codes may be lists.
func ReadJSON(doc []byte, level Level) ([]Import, []*LineError) {
	in := importer{level: level}
	if text, ok := in.text(doc); ok {
		in.json(text)
	}
	return in.list, in.wrong
}

// importer collects the apps of a file and what is wrong with it.
type importer struct {
	level Level
	list  []Import
	wrong []*LineError
	names map[string]int // as Folded: the line
	keys  map[string]int
	codes map[number.ShortCode]int
}

func (in *importer) note(line int, err error) {
	if err != nil && !in.full() {
		in.wrong = append(in.wrong, &LineError{line, err})
	}
}

// full reports whether there is no sense in reading on.
func (in *importer) full() bool { return len(in.wrong) >= maxLineErrors }

// text is a file without its byte order mark, if it is text at all.
func (in *importer) text(doc []byte) ([]byte, bool) {
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	switch {
	case len(doc) > MaxImport:
		in.note(1, fmt.Errorf("the file is larger than %d MiB", MaxImport>>20))
	case bytes.HasPrefix(doc, []byte("\xff\xfe")), bytes.HasPrefix(doc, []byte("\xfe\xff")):
		in.note(1, errors.New("the file is UTF-16; save it as UTF-8"))
	default:
		line := 0
		for row := range bytes.SplitSeq(doc, []byte("\n")) {
			if line++; !utf8.Valid(row) {
				in.note(line, errors.New("is not UTF-8"))
			}
		}
	}
	return doc, len(in.wrong) == 0
}

func (in *importer) csv(doc []byte) {
	r := csv.NewReader(bytes.NewReader(doc))
	r.FieldsPerRecord = -1 // counted here, with a better text
	head, err := r.Read()
	if err == io.EOF {
		in.note(1, errors.New("the file is empty; its first line names the columns: "+strings.Join(importColumns, ",")))
		return
	}
	if err != nil {
		in.note(1, csvError(err))
		return
	}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(importColumns, name) {
			in.note(1, fmt.Errorf("there is no column %q; there are: %s", clip(name), strings.Join(importColumns, ",")))
		} else if slices.Contains(head[:i], name) {
			in.note(1, fmt.Errorf("the column %s is there twice", name))
		}
		head[i] = name
	}
	for _, name := range importColumns[:mandatoryColumns] {
		if !slices.Contains(head, name) {
			in.note(1, fmt.Errorf("the column %s is missing", name))
		}
	}
	if len(in.wrong) > 0 { // nothing below such a head means what it seems to
		return
	}
	for !in.full() {
		cells, err := r.Read()
		if err == io.EOF {
			return
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			in.note(bad.StartLine, csvError(err))
			continue
		}
		if err != nil {
			in.note(1, err)
			return
		}
		line, _ := r.FieldPos(0)
		if len(cells) != len(head) {
			in.note(line, fmt.Errorf("has %d cells, the head has %d", len(cells), len(head)))
			continue
		}
		row := map[string]string{}
		for i, name := range head {
			row[name] = cells[i]
		}
		if !in.add(line, row) {
			return
		}
	}
}

// csvError is what the reader says of a line, without its number, which is told beside it.
func csvError(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return fmt.Errorf("column %d: %w", bad.Column, bad.Err)
	}
	return err
}

// clip shortens what was typed, for an error text.
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

func (in *importer) json(doc []byte) {
	d := json.NewDecoder(bytes.NewReader(doc))
	// lineAt counts on from where it counted last, so that the whole is read once.
	line, counted := 1, 0
	lineAt := func(offset int64) int {
		offset = max(offset, int64(counted))
		line += bytes.Count(doc[counted:offset], []byte("\n"))
		counted = int(offset)
		return line
	}
	broken := func(err error) {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset > at && syntax.Offset <= int64(len(doc)) {
			at = syntax.Offset
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the document ends too early")
		}
		in.note(lineAt(at), err)
	}
	inside, err := toApps(d)
	if err != nil {
		broken(err)
		return
	}
	for d.More() {
		start := d.InputOffset()
		start += int64(len(doc[start:]) - len(bytes.TrimLeft(doc[start:], ", \t\r\n")))
		at := lineAt(start)
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			broken(err)
			return
		}
		row, err := jsonRow(element)
		if err != nil {
			in.note(at, err)
			continue
		}
		if !in.add(at, row) || in.full() {
			return
		}
	}
	if _, err := d.Token(); err != nil { // the end of the list
		broken(err)
		return
	}
	for inside && d.More() { // other members: a name and a value each
		var other json.RawMessage
		var name json.Token
		if name, err = d.Token(); err == nil {
			err = d.Decode(&other)
		}
		if err == nil && name == "apps" {
			err = errors.New("the member apps is there twice")
		}
		if err != nil {
			broken(err)
			return
		}
	}
	if inside {
		if _, err := d.Token(); err != nil {
			broken(err)
			return
		}
	}
	if _, err := d.Token(); err != io.EOF {
		in.note(lineAt(d.InputOffset()), errors.New("there is something after the document"))
	}
}

// toApps reads up to the first app of a list, or of the member apps of an object (inside).
func toApps(d *json.Decoder) (inside bool, err error) {
	shape := errors.New(`is neither a list of apps nor an object {"apps":[…]}`)
	t, err := d.Token()
	if err != nil {
		return false, err
	}
	if t == json.Delim('[') {
		return false, nil
	}
	if t != json.Delim('{') {
		return false, shape
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false, err
		}
		if name != "apps" {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return false, err
			}
			continue
		}
		if t, err = d.Token(); err == nil && t != json.Delim('[') {
			err = shape
		}
		return true, err
	}
	return false, shape
}

// jsonRow is an app of a JSON list in the form of a line of a CSV.
func jsonRow(element json.RawMessage) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(element))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is not an object")
	}
	row := map[string]string{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // of a member it is one
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		if !slices.Contains(importColumns, name) {
			return nil, fmt.Errorf("there is no member %q; there are: %s", clip(name), strings.Join(importColumns, ","))
		}
		if _, twice := row[name]; twice { // some read the first of two, some the last
			return nil, invalid(name, "is there twice")
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			var list []string
			if name != "scopes" && name != "short_codes" || json.Unmarshal(raw, &list) != nil {
				return nil, invalid(name, "is not a text")
			}
			text = strings.Join(list, ",")
		}
		row[name] = text
	}
	return row, nil
}

// add takes one app; false ends the reading.
func (in *importer) add(line int, row map[string]string) bool {
	if len(in.list) == maxImports {
		in.note(line, fmt.Errorf("there are more than %d apps; cut the file in parts", maxImports))
		return false
	}
	cell := func(name string) string { return strings.TrimSpace(row[name]) }
	a := App{Name: cell("name"), Key: cell("key"), Owner: cell("owner"), Level: Level(strings.ToLower(cell("level"))), RedirectURI: cell("redirect_uri"),
		MessageListener: cell("message_listener"), StatusListener: cell("status_listener"), NotificationURL: cell("notification_url"),
		Scopes: ParseScopes(strings.ReplaceAll(cell("scopes"), ";", ","))}
	if a.Level == "" {
		a.Level = in.level
	}
	for code := range strings.FieldsFuncSeq(cell("short_codes"), func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) }) {
		a.ShortCodes = append(a.ShortCodes, number.ShortCode(code))
	}
	for _, err := range tidy(&a) {
		in.note(line, err)
	}
	secret := cell("secret")
	in.note(line, checkChosen(secret))

	if in.names == nil {
		in.names, in.keys, in.codes = map[string]int{}, map[string]int{}, map[number.ShortCode]int{}
	}
	once(in, in.names, "name", Folded(a.Name), line)
	once(in, in.keys, "key", a.Key, line)
	for _, c := range a.ShortCodes {
		once(in, in.codes, "short_codes", c, line)
	}
	in.list = append(in.list, Import{Line: line, App: a, Secret: secret})
	return true
}

// once notes what another line of the file has already.
func once[K ~string](in *importer, seen map[K]int, field string, value K, line int) {
	if value == "" {
		return
	}
	if before, ok := seen[value]; ok {
		in.note(line, invalid(field, "%q is in line %d too", clip(string(value)), before))
		return
	}
	seen[value] = line
}

// Outcome is what became of an app of an import.
type Outcome string

const (
	Created   Outcome = "created"
	Unchanged Outcome = "unchanged" // it is there already, with this key, name and secret (or keys)
	Refused   Outcome = "refused"
)

// Import makes an app with the key and the secret it brings along; if dry, it says only what it would do.
// It is safe to repeat: an app that is there with the same key, name and secret (or keys) stays as it is, whatever
// else has been changed since. With [Refused] comes the reason, an [*Invalid] or one that wraps
// [ErrTaken]; nothing of the app was changed then. Any other error leaves the outcome empty.
//
// The secret is hashed slowly, because who made it is not known (docs/reference/reliability.md T4): some
// tens of milliseconds an app.
func (d *Directory) Import(ctx context.Context, in Import, dry bool) (Outcome, error) {
	a := in.App
	if a.Level == "" {
		a.Level = LevelSandbox
	}
	outcome, err := Created, clean(&a)
	switch {
	case err != nil:
	case a.Auth == AuthSecret:
		err = checkChosen(in.Secret)
	case in.Secret != "":
		err = noSecret(&a)
	}
	if have := d.ByKey(a.Key); err == nil && have != nil {
		outcome, err = Unchanged, d.same(ctx, have, a, in.Secret)
	} else if err == nil && dry {
		err = d.free(a)
	} else if err == nil {
		_, _, err = d.Create(ctx, a, in.Secret)
	}
	var wrong *Invalid
	switch {
	case err == nil:
		return outcome, nil
	case errors.As(err, &wrong), errors.Is(err, ErrTaken):
		return Refused, err
	}
	return "", err
}

// Remark is what a person should know of an import that is not refused, "" if there is nothing: which of what
// it says an app that is there has otherwise, and goes on having, and that no token will be given. What it does
// not say is no difference: an operator may have added it since.
func (d *Directory) Remark(in Import) string {
	a := in.App
	a.Level = cmp.Or(a.Level, LevelSandbox)
	if clean(&a) != nil {
		return ""
	}
	var remarks []string
	if have := d.ByKey(a.Key); have != nil {
		if other := differences(have, &a); len(other) > 0 {
			remarks = append(remarks, "is there and keeps its own "+strings.Join(other, ", ")+": longlines app set changes an app")
		}
		if in.App.Level != "" && in.App.Level != have.Level {
			remarks = append(remarks, fmt.Sprintf("is there, and its level stays %s", have.Level))
		}
		a.Scopes = have.Scopes
	}
	if len(a.Scopes) == 0 {
		remarks = append(remarks, "has no scope, so it gets no token: longlines app set --scopes gives it some")
	}
	return strings.Join(remarks, "; ")
}

// differences are the members that an app says and another one has otherwise, of those that can be changed.
func differences(have, a *App) (members []string) {
	differs := func(member string, said, same bool) {
		if said && !same {
			members = append(members, member)
		}
	}
	scopes := func(a *App) []Scope { return slices.Sorted(slices.Values(a.Scopes)) }
	differs("owner", a.Owner != "", a.Owner == have.Owner)
	differs("scopes", len(a.Scopes) > 0, slices.Equal(scopes(a), scopes(have)))
	differs("short_codes", len(a.ShortCodes) > 0, slices.Equal(a.ShortCodes, have.ShortCodes)) // the first is the sender
	differs("redirect_uri", a.RedirectURI != "", a.RedirectURI == have.RedirectURI)
	differs("on_network", a.OnNetwork, have.OnNetwork)
	differs("dpop", a.DPoP, have.DPoP)
	differs("introspect", a.Introspect, have.Introspect)
	differs("message_listener", a.MessageListener != "", a.MessageListener == have.MessageListener)
	differs("status_listener", a.StatusListener != "", a.StatusListener == have.StatusListener)
	differs("notification_url", a.NotificationURL != "", a.NotificationURL == have.NotificationURL)
	differs("wait_for_verdict", a.WaitForVerdict > 0, a.WaitForVerdict == have.WaitForVerdict)
	return members
}

// same says why an app that has the key is not the one that comes.
func (d *Directory) same(ctx context.Context, have *App, a App, secret string) error {
	if have.Deleted || !strings.EqualFold(have.Name, a.Name) {
		return keyTaken(have)
	}
	if have.Auth != a.Auth {
		return &Differs{"way to prove itself"}
	}
	switch a.Auth {
	case AuthKey:
		if have.Keys != a.Keys {
			return &Differs{"set of keys"}
		}
	case AuthSecret:
		ok, err := d.CheckSecret(ctx, have, secret)
		if err == nil && !ok {
			err = &Differs{"secret"}
		}
		return err
	}
	return nil
}

// Differs says what an app that is there, with the key and the name of one that is imported, has otherwise.
// It wraps [ErrTaken].
type Differs struct{ In string }

func (e *Differs) Error() string { return "this app is there already, with another " + e.In }

func (e *Differs) Unwrap() error { return ErrTaken }
