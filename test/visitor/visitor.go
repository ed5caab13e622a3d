// Package visitor is a subscriber's browser without script, for tests: it keeps cookies, reads pages,
// fills in forms and presses buttons, and stops at the door of the app it is sent back to.
package visitor

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Visitor is one browser.
type Visitor struct {
	Client *http.Client
	Header http.Header // sent with every request
	base   *url.URL
}

// New is a browser that knows the platform at base and follows redirects within it only.
func New(t testing.TB, base string) *Visitor {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, port, _ := net.SplitHostPort(addr); strings.HasSuffix(host, ".localhost") { // as browsers do (RFC 6761 §6.3)
			addr = net.JoinHostPort("127.0.0.1", port)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Visitor{base: u, Header: http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}, Client: &http.Client{
		Jar:           jar,
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Page is what the browser shows.
type Page struct {
	Status   int
	Header   http.Header
	Body     string
	Title    string
	Text     string   // what is to be read
	URL      *url.URL // of the page
	Location *url.URL // where it was sent, if that is not the platform
	forms    []form
	v        *Visitor
}

type form struct {
	action  string
	fields  url.Values // hidden ones and defaults
	buttons map[string]bool
	names   map[string]bool
}

// Open shows an address, absolute or of the platform.
func (v *Visitor) Open(t testing.TB, address string) *Page {
	t.Helper()
	u, err := v.base.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return v.do(t, http.MethodGet, u, nil)
}

func (v *Visitor) do(t testing.TB, method string, u *url.URL, values url.Values) *Page {
	t.Helper()
	for range 10 {
		var body io.Reader
		if method == http.MethodPost {
			body = strings.NewReader(values.Encode())
		}
		req, err := http.NewRequest(method, u.String(), body)
		if err != nil {
			t.Fatal(err)
		}
		for k, list := range v.Header {
			req.Header[k] = list
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", u.Scheme+"://"+u.Host)
		}
		resp, err := v.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		p := &Page{Status: resp.StatusCode, Header: resp.Header, Body: string(b), URL: u, v: v}
		if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
			next, err := u.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			if next.Host != v.base.Host {
				p.Location = next
				return p
			}
			method, u, values = http.MethodGet, next, nil
			continue
		}
		p.read(t)
		return p
	}
	t.Fatal("ten redirects")
	return nil
}

// read finds title, text and forms.
func (p *Page) read(t testing.TB) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var walk func(n *html.Node, f *form)
	walk = func(n *html.Node, f *form) {
		switch n.Type {
		case html.TextNode:
			if s := strings.Join(strings.Fields(n.Data), " "); s != "" && n.Parent.Data != "style" && n.Parent.Data != "title" {
				text.WriteString(s + " ")
			}
		case html.ElementNode:
			switch n.Data {
			case "title":
				if n.FirstChild != nil {
					p.Title = n.FirstChild.Data
				}
			case "form":
				p.forms = append(p.forms, form{action: attr(n, "action"), fields: url.Values{}, buttons: map[string]bool{}, names: map[string]bool{}})
				f = &p.forms[len(p.forms)-1]
			case "input":
				if f != nil && attr(n, "name") != "" {
					f.names[attr(n, "name")] = true
					if k := attr(n, "type"); k != "checkbox" && k != "radio" || has(n, "checked") {
						f.fields.Add(attr(n, "name"), attr(n, "value"))
					}
				}
			case "button":
				if f != nil {
					f.buttons[attr(n, "name")+"="+attr(n, "value")] = true
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, f)
		}
	}
	walk(doc, nil)
	p.Text = text.String()
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Offers reports whether there is a button, "do=allow".
func (p *Page) Offers(button string) bool {
	for _, f := range p.forms {
		if f.buttons[button] {
			return true
		}
	}
	return false
}

// Field is the value a form has for a name, hidden or not; "" if there is none.
func (p *Page) Field(name string) string {
	for _, f := range p.forms {
		if v := f.fields.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// Press fills in fields (name, value, …) of the form that has the button, and presses it. Of several
// forms with the button it is the first that has all the fields.
func (p *Page) Press(t testing.TB, button string, fields ...string) *Page {
	t.Helper()
next:
	for _, f := range p.forms {
		if !f.buttons[button] {
			continue
		}
		values := url.Values{}
		for k, list := range f.fields {
			values[k] = append([]string{}, list...)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			if !f.names[fields[i]] {
				continue next
			}
			values.Set(fields[i], fields[i+1])
		}
		name, value, _ := strings.Cut(button, "=")
		values.Set(name, value)
		u, err := p.URL.Parse(f.action)
		if err != nil {
			t.Fatal(err)
		}
		return p.v.do(t, http.MethodPost, u, values)
	}
	t.Fatalf("no form with the button %s and the fields %q on the page %q:\n%s", button, fields, p.Title, p.Text)
	return nil
}

// SignIn goes from the number page to the page behind the PIN. pin waits for the PIN on the phone.
func (p *Page) SignIn(t testing.TB, number string, remember bool, pin func() string) *Page {
	t.Helper()
	fields := []string{"number", number}
	if remember {
		fields = append(fields, "remember", "1")
	}
	return p.Press(t, "do=number", fields...).Press(t, "do=pin", "pin", pin())
}
