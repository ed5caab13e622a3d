package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// frame is what the pages have around their content: templates "top", "bar" and "end".
type frame struct {
	Config
	Title string
	Theme string
	Links []link
	Tabs  []tab
}

// HasSandbox reports whether there are phones to show.
func (f frame) HasSandbox() bool { return f.Sandbox != nil }

// tab leads to a part of the console.
type tab struct {
	Name, Href string
	Here       string // aria-current: "page", "true" on a page below it, "" elsewhere
}

// link is what the bar needs of a line of GET /admin/v1/links.
type link struct {
	Name  string `json:"name"`
	State struct {
		Up    bool   `json:"up"`
		Phase string `json:"phase"`
		Error string `json:"error"`
	} `json:"state"`
}

// frame makes the frame of a page at a path.
func (x *console) frame(r *http.Request, path, title string) frame {
	f := frame{Config: x.Config, Title: title, Theme: themeOf(r)}
	first := tab{Name: "Live", Href: "/"}
	if x.Sandbox != nil {
		first = tab{Name: "Phones", Href: "/phones"}
	}
	f.Tabs = []tab{first, {Name: "Requests", Href: "/requests"}, {Name: "Messages", Href: "/messages"}, {Name: "Apps", Href: "/apps"},
		{Name: "Subscribers", Href: "/subscribers"}, {Name: "Audit", Href: "/audit"}}
	for i := range f.Tabs {
		switch t := &f.Tabs[i]; {
		case path == t.Href:
			t.Here = "page"
		case t.Href != "/" && strings.HasPrefix(path, t.Href+"/"):
			t.Here = "true"
		}
	}
	if x.ErrorsURL != "" {
		f.Tabs = append(f.Tabs, tab{Name: "Errors", Href: x.ErrorsURL})
	}
	var links struct{ Links []link }
	if read(r, x.Admin, "/admin/v1/links", &links) == nil {
		f.Links = links.Links
	}
	return f
}

// maxAnswer bounds what is read of an answer in the process, in octets.
const maxAnswer = 4 << 20

// answer is the answer of a handler in the process.
type answer struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.head }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.body.Len()+len(b) > maxAnswer {
		return 0, fmt.Errorf("console: an answer above %d octets", maxAnswer)
	}
	return a.body.Write(b)
}

// refusal is an answer of an API that is not what was asked for.
type refusal struct {
	Status int    `json:"status"`
	Detail string `json:"detail"` // for people; "" if the API gave none
	Errors []struct {
		Detail    string `json:"detail"`
		Parameter string `json:"parameter"` // of the query: "status"
	} `json:"errors"`
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s", e.Status, e.Detail) }

// read gets a resource of an API and decodes it into v. An answer other than 200 is a [refusal].
func read(r *http.Request, h http.Handler, target string, v any) error {
	return call(r, h, http.MethodGet, target, nil, v)
}

// call asks a handler in the process what a client would ask it over HTTP: the body, if not nil, as JSON. What it
// answers is decoded into v, if that is not nil. An answer outside 2xx is a [refusal].
func call(r *http.Request, h http.Handler, method, target string, body, v any) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	in := (&http.Request{Method: method, URL: u, Host: r.Host, RemoteAddr: r.RemoteAddr, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Accept": {"application/json"}}, Body: http.NoBody,
	}).WithContext(r.Context())
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in.Header.Set("Content-Type", "application/json")
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
	a := &answer{head: http.Header{}}
	h.ServeHTTP(a, in)
	if a.status < 200 || a.status > 299 {
		e := &refusal{}
		json.Unmarshal(a.body.Bytes(), e) // what is no problem document has no detail
		e.Status = a.status
		if a.status >= 300 && a.status < 400 { // to a cleaner path: the name of what was asked for is ".." or the like
			e.Status = http.StatusNotFound
		}
		return e
	}
	if v == nil || a.body.Len() == 0 {
		return nil
	}
	return json.Unmarshal(a.body.Bytes(), v)
}

// refused shows why a page cannot be shown.
func (x *console) refused(w http.ResponseWriter, r *http.Request, err error) {
	p := struct {
		frame
		Why string
	}{frame: x.frame(r, r.URL.Path, "Not here")}
	status := http.StatusInternalServerError
	var e *refusal
	if errors.As(err, &e) {
		status, p.Why = e.Status, sentence(e.Detail)
	}
	if status != http.StatusNotFound {
		p.Title = "Not possible"
	}
	x.render(w, status, "missing.html", p)
}
