package wiretest

import (
	"strings"
	"testing"
)

const sample = `# a comment

>>> first (crlf)
POST /a HTTP/1.1
Host: {{host}}

one
two
<<<
HTTP/1.1 201
Location: {{any}}
!Allow

{"id":"{{id}}","n":"{{int}}","list":[1,"{{any}}"]}

>>> second
GET /a/{{id}} HTTP/1.1
Host: {{host}}

<<<
HTTP/1.1 404 Not Found

<a>{{any}}</a>
`

func TestParse(t *testing.T) {
	talk, err := parse(sample)
	if err != nil || len(talk) != 2 {
		t.Fatal(talk, err)
	}
	a, b := talk[0], talk[1]
	if a.title != "first" || !a.crlf || a.body != "one\ntwo" || a.status != 201 || len(a.want) != 2 || !strings.HasPrefix(a.answer, "{") {
		t.Fatalf("%+v", a)
	}
	if b.crlf || b.body != "" || len(b.head) != 2 || b.status != 404 || b.answer != "<a>{{any}}</a>" {
		t.Fatalf("%+v", b)
	}
	for _, bad := range []string{"", "# only a comment", "text\n>>> a\nGET / HTTP/1.1\n\n<<<\nHTTP/1.1 200\n", ">>> a\nGET / HTTP/1.1\n", ">>> a\nGET / HTTP/1.1\n\n<<<\n200\n", ">>> a\nGET / HTTP/1.1\n\n<<<\nHTTP/1.1 abc\n"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestMatch(t *testing.T) {
	want, err := decode([]byte(`{"id":"{{id}}","n":"{{int}}","url":"http://x/{{id}}","list":[1,"{{any}}"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for body, at := range map[string]string{
		`{"id":"7a","n":3,"url":"http://x/7a","list":[1,null]}`:          "",
		`{"id":"7a","n":3.5,"url":"http://x/7a","list":[1,null]}`:        "$.n",
		`{"id":"7a","n":3,"url":"http://x/8b","list":[1,null]}`:          "$.url",
		`{"id":"7a","n":3,"url":"http://x/7a","list":[2,null]}`:          "$.list[0]",
		`{"id":"7a","n":3,"url":"http://x/7a","list":[1]}`:               "$.list (length)",
		`{"id":"7a","n":3,"url":"http://x/7a"}`:                          "$.list (missing)",
		`{"id":"7a","n":3,"url":"http://x/7a","list":[1,null],"more":1}`: "$.more (not expected)",
		`{"id":"","n":3,"url":"http://x/","list":[1,null]}`:              "$.id",
	} {
		got, err := decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		where, ok := matchJSON("$", want, got, map[string]string{})
		if ok != (at == "") || !ok && where != at {
			t.Errorf("%s: %v at %q, want %q", body, ok, where, at)
		}
	}
}
