package reference_test

import (
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"longlines/api/reference"
	"longlines/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs the reference as the API listener does; base is its address.
func serve(t *testing.T) (base string) {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for pattern, h := range reference.New(reference.Config{PublicURL: s.URL + "/"}).Routes() {
		mux.Handle(pattern, h)
	}
	return s.URL
}

func get(t *testing.T, url string, accept ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accept {
		req.Header.Add("Accept", a)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// pages are the addresses of every HTML page.
func pages() []string {
	list := []string{"/errors", "/errors?q=token&api=sms&blame=your-code", "/errors/NOTHING"}
	for _, c := range fault.Codes() {
		list = append(list, "/errors/"+c)
	}
	return list
}

func TestEveryRowHasItsAnchor(t *testing.T) {
	base := serve(t)
	_, index := get(t, base+"/errors")
	for _, r := range fault.All() {
		if !strings.Contains(index, `href="`+r.Path()+`"`) {
			t.Errorf("/errors has no link to %s", r.Path())
		}
		page, anchor, _ := strings.Cut(r.Path(), "#")
		resp, body := get(t, base+page)
		if resp.StatusCode != 200 || strings.Count(body, ` id="`+anchor+`"`) != 1 {
			t.Errorf("%s: %d, and %d anchors", r.Path(), resp.StatusCode, strings.Count(body, ` id="`+anchor+`"`))
		}
		text := html.UnescapeString(body)
		for _, want := range append(append([]string{r.Title, r.Condition}, r.Causes...), r.Steps...) {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", r.Path(), want)
			}
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	base := serve(t)
	link := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	checked := map[string]bool{}
	for _, p := range pages() {
		_, body := get(t, base+p)
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			to, anchor, _ := strings.Cut(html.UnescapeString(m[1]), "#")
			if to == "" {
				to = p
			}
			if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
				t.Errorf("%s: link to %s", p, to)
				continue
			}
			if key := to + "#" + anchor; checked[key] {
				continue
			} else {
				checked[key] = true
			}
			resp, target := get(t, base+to)
			if resp.StatusCode != 200 && p != "/errors/NOTHING" {
				t.Errorf("%s: link to %s gives %d", p, to, resp.StatusCode)
			}
			if anchor != "" && !strings.Contains(target, ` id="`+anchor+`"`) {
				t.Errorf("%s: %s has no %s", p, to, anchor)
			}
		}
	}
}

func TestPagesLoadNothingFromElsewhereAndHaveNoInlineScriptOrStyle(t *testing.T) {
	base := serve(t)
	address := regexp.MustCompile(`https?://[^\s"'<>)&;]+`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|javascript:`)
	for _, p := range pages() {
		resp, body := get(t, base+p)
		for _, a := range address.FindAllString(html.UnescapeString(body), -1) {
			// https://app.example and https://other.example stand in examples of redirects.
			if !strings.HasPrefix(a, base) && !strings.HasPrefix(a, "https://app.example") && !strings.HasPrefix(a, "https://other.example") {
				t.Errorf("%s names %s", p, a)
			}
		}
		if m := inline.FindString(body); m != "" {
			t.Errorf("%s has %q", p, m)
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: policy %q", p, csp)
		}
	}
	for _, p := range []string{"/reference/style.css", "/reference/errors.js"} {
		if _, body := get(t, base+p); strings.Contains(body, "://") || strings.Contains(body, "@import") || strings.Contains(body, "url(") {
			t.Errorf("%s loads something", p)
		}
	}
}

func TestPagesAreWellFormed(t *testing.T) {
	base := serve(t)
	void := []string{"meta", "link", "input"}
	for _, p := range pages() {
		_, body := get(t, base+p)
		d := xml.NewDecoder(strings.NewReader(body))
		d.Strict, d.Entity, d.AutoClose = false, xml.HTMLEntity, void
		depth := 0
		ids := map[string]bool{}
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			switch e := tok.(type) {
			case xml.StartElement:
				depth++
				for _, a := range e.Attr {
					if a.Name.Local == "id" && ids[a.Value] {
						t.Errorf("%s: id %s stands twice", p, a.Value)
					} else if a.Name.Local == "id" {
						ids[a.Value] = true
					}
				}
			case xml.EndElement:
				depth--
			}
		}
		if depth != 0 || strings.Count(body, "<h1") != 1 {
			t.Errorf("%s: %d elements are open at the end, %d h1", p, depth, strings.Count(body, "<h1"))
		}
	}
}

func TestTheListIsFilteredWithoutScript(t *testing.T) {
	base := serve(t)
	shown := regexp.MustCompile(`<li data-words="[^"]*" data-apis="[^"]*" data-blame="[^"]*"><a class="case-link" href="([^"]*)"`)
	for _, c := range []struct {
		name, query string
		want, not   []string
	}{
		{"nothing asked", "", []string{"/errors/POL0001#quota-day", "/errors/invalid_grant#grant", "/errors/SVC0019#no-meaning"}, nil},
		{"a code in small letters", "?q=pol0001", []string{"/errors/POL0001#quota-day"}, []string{"/errors/SVC0004#no-valid-address"}},
		{"two words, both needed", "?q=403+quota", []string{"/errors/POL0001#quota-day"}, []string{"/errors/POL0001#scope"}},
		{"a name of the published table", "?q=bodygrant", []string{"/errors/unsupported_grant_type#grant-type"}, []string{"/errors/invalid_grant#grant"}},
		{"an SMPP status", "?q=smpp-000b", []string{"/errors/SVC0001#smpp-000b"}, []string{"/errors/SVC0001#smpp-0064"}},
		{"an API", "?api=e911", []string{"/errors/SVC0015#not-geocoded"}, []string{"/errors/SVC0004#no-valid-address"}},
		{"a cause", "?blame=permanent", []string{"/errors/SVC0001#smpp-0066"}, []string{"/errors/SVC0001#smpp-0064"}},
		{"API and cause", "?api=sms&blame=your-account", []string{"/errors/SVC0283#receipt-not-possible"}, []string{"/errors/invalid_client#wrong-secret"}},
		{"an API that does not exist is no filter", "?api=telex", []string{"/errors/SVC0015#not-geocoded"}, nil},
	} {
		_, body := get(t, base+"/errors"+c.query)
		var got []string
		for _, m := range shown.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%s: %s is not shown", c.name, w)
			}
		}
		for _, n := range c.not {
			if slices.Contains(got, n) {
				t.Errorf("%s: %s is shown", c.name, n)
			}
		}
	}
	if _, body := get(t, base+"/errors?q=%3Cscript%3E%22"); strings.Contains(body, "<script>") || !strings.Contains(body, `value="&lt;script&gt;&#34;"`) || strings.Contains(body, `id="empty" hidden`) {
		t.Error("a search for markup is not escaped, or finds something")
	}
}

func TestTheCatalogueIsOneDocument(t *testing.T) {
	base := serve(t)
	for _, c := range []struct {
		url, accept string
		n           int
	}{
		{"/errors.json", "", len(fault.All())},
		{"/errors", "application/json", len(fault.All())},
		{"/errors/POL0001", "application/json", len(fault.ByCode("POL0001"))},
		{"/errors/POL0001.json", "", len(fault.ByCode("POL0001"))},
	} {
		resp, body := get(t, base+c.url, c.accept)
		var doc struct {
			Errors []struct {
				Code, Case, Title, Condition, Remedy string
				Status                               int
				Raised                               bool
			}
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v, %s", c.url, err, resp.Header.Get("Content-Type"))
		}
		if len(doc.Errors) != c.n {
			t.Errorf("%s has %d errors, want %d", c.url, len(doc.Errors), c.n)
		}
		for _, e := range doc.Errors {
			if e.Code == "" || e.Case == "" || e.Title == "" || e.Condition == "" || e.Remedy == "" || e.Raised && e.Status == 0 {
				t.Errorf("%s: %+v", c.url, e)
			}
		}
	}
}

func TestEveryPageIsMarkdownToo(t *testing.T) {
	base := serve(t)
	for _, code := range fault.Codes() {
		resp, body := get(t, base+"/errors/"+code+".md")
		if ct := resp.Header.Get("Content-Type"); ct != "text/markdown; charset=utf-8" || !strings.HasPrefix(body, "# "+code+"\n") {
			t.Errorf("%s.md: %s, %.40q", code, ct, body)
		}
		for _, r := range fault.ByCode(code) {
			if !strings.Contains(body, base+r.Path()) || !strings.Contains(body, r.Condition) {
				t.Errorf("%s.md does not explain %s", code, r.Case)
			}
		}
	}
	for url, accept := range map[string]string{"/errors.md": "", "/errors": "text/markdown"} {
		if resp, body := get(t, base+url, accept); resp.Header.Get("Content-Type") != "text/markdown; charset=utf-8" || !strings.Contains(body, "/errors/POL0001.md") {
			t.Errorf("%s: %s", url, resp.Header.Get("Content-Type"))
		}
	}
	if resp, _ := get(t, base+"/errors/POL0001", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"); !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Error("a browser does not get HTML")
	}
	_, llms := get(t, base+"/llms.txt")
	for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(llms, -1) {
		if resp, _ := get(t, m[1]); resp.StatusCode != 200 {
			t.Errorf("llms.txt: %s gives %d", m[1], resp.StatusCode)
		}
	}
	if !strings.HasPrefix(llms, "# Longlines\n\n> ") {
		t.Errorf("llms.txt begins %.40q", llms)
	}
}

func TestExampleRepliesAreWhatThePlatformSends(t *testing.T) {
	base := serve(t)
	_, body := get(t, base+"/errors/POL0001")
	text := html.UnescapeString(body)
	for _, want := range []string{
		"HTTP/1.1 403 Forbidden\nContent-Type: application/json\nLink: <" + base + "/errors/POL0001#quota-minute>; rel=\"describedby\"\nRetry-After: 23\n",
		`{"RequestError":{"PolicyException":{"MessageId":"POL0001","Text":"A policy error occurred. Error code is %1","Variables":"Too many requests"}}}`,
		`<Variables>Quota exceeded</Variables>`,
		`"type":"` + base + `/errors/POL0001#quota-day","title":"Quota of the day used up","status":429`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestOtherSpellingsAndUnknownCodes(t *testing.T) {
	base := serve(t)
	resp, _ := get(t, base+"/errors/pol0001")
	if resp.StatusCode != http.StatusPermanentRedirect || resp.Header.Get("Location") != "/errors/POL0001" {
		t.Errorf("small letters: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	resp, body := get(t, base+"/errors/POL7777")
	if resp.StatusCode != 404 || !strings.Contains(body, "/errors/POL0001") || strings.Contains(body, "/errors/SVC0001") {
		t.Errorf("an unknown code: %d", resp.StatusCode)
	}
	if resp, body := get(t, base+"/errors/%3Cb%3E"); resp.StatusCode != 404 || strings.Contains(body, "<b>") {
		t.Errorf("markup as a code: %d", resp.StatusCode)
	}
	if resp, body := get(t, base+"/errors/POL7777", "application/json"); resp.StatusCode != 404 || !json.Valid([]byte(body)) {
		t.Errorf("an unknown code as JSON: %d %s", resp.StatusCode, body)
	}
	if resp, _ := get(t, base+"/errors/POL7777.md"); resp.StatusCode != 404 {
		t.Errorf("an unknown code as Markdown: %d", resp.StatusCode)
	}
	if resp, _ := get(t, base+"/reference/style.css?x"); !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Error("the style may not be kept")
	}
}

// TestColoursHaveContrast reads the properties of both themes and checks text
// against the grounds it stands on (WCAG 2.2 §1.4.3: 4.5 to 1).
func TestColoursHaveContrast(t *testing.T) {
	css, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	property := regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6});`)
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for name, part := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]string{}
		for _, m := range property.FindAllStringSubmatch(part, -1) {
			if colour[m[1]] == "" {
				colour[m[1]] = m[2]
			}
		}
		for _, pair := range [][2]string{
			{"text", "bg"}, {"text", "surface"}, {"text", "sunken"}, {"text-2", "bg"}, {"text-2", "surface"}, {"text-2", "sunken"},
			{"text-3", "bg"}, {"text-3", "surface"}, {"text-3", "sunken"}, {"accent", "bg"}, {"accent", "surface"}, {"accent-strong", "accent-soft"}, {"text", "accent-soft"},
			{"on-accent", "accent"}, {"blue", "blue-soft"}, {"violet", "violet-soft"}, {"amber", "amber-soft"}, {"red", "red-soft"}, {"slate", "slate-soft"},
		} {
			a, b := luminance(colour[pair[0]]), luminance(colour[pair[1]])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s is %.2f to 1", name, pair[0], pair[1], ratio)
			}
		}
	}
}

// Whoever opens the address of the API itself finds what there is to look at.
func TestTheRootLeadsToTheErrors(t *testing.T) {
	base := serve(t)
	if res, _ := get(t, base+"/"); res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/errors" {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res, _ := get(t, base+"/nothing"); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d", res.StatusCode)
	}
}
