package oauth

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"longlines/app"
)

func TestMayRedirect(t *testing.T) {
	const (
		base  = "https://pizza.example/cb"
		slash = "https://pizza.example/cb/"
		root  = "https://pizza.example"
		query = "https://pizza.example/cb?tenant=7"
	)
	long := base + "/" + strings.Repeat("a", maxRedirect-len(base)-1)
	for _, c := range []struct {
		name, base, given string
		want              bool
	}{
		{"the base itself", base, base, true},
		{"a path below the base", base, base + "/a/b", true},
		{"the base with a slash behind it", base, base + "/", true},
		{"an extra query, as the HTML5 SDK adds it", base, base + "?scope=IMMN,MIM&returnUrl=https://pizza.example/x?y", true},
		{"a path and a query", base, base + "/a?b=c", true},
		{"an empty query", base, base + "?", true},
		{"a state of the app's own in the query", base, base + "?state=7", true},
		{"brackets in the query, as PHP has them", base, base + "?a[]=1", true},
		{"an encoded line end in the query stays encoded", base, base + "?a=%0d%0a", true},
		{"capitals in the scheme", base, "HTTPS://pizza.example/cb", true},
		{"capitals in the host", base, "https://Pizza.EXAMPLE/cb", true},
		{"the scheme's own port written out", base, "https://pizza.example:443/cb", true},
		{"the scheme's own port left out", "http://pizza.example:80/cb", "http://pizza.example/cb", true},
		{"an encoded blank in the path", base, base + "/a%20b", true},
		{"two slashes further down", base, base + "/a//b", true},
		{"three dots are a name", base, base + "/.../x", true},
		{"as long as it may be", base, long, true},
		{"below a base that ends in a slash", slash, slash + "x", true},
		{"any path of a base without one", root, root + "/x", true},
		{"no path at all", root, root, true},
		{"the slash of a base without a path", root, root + "/", true},
		{"no slash where the base is the root", root + "/", root, true},
		{"a query where the base has no path", root, root + "?a=b", true},
		{"another port as registered", "https://pizza.example:8443/cb", "https://pizza.example:8443/cb/x", true},
		{"an IPv6 address", "http://[::1]:8000/cb", "http://[::1]:8000/cb/x", true},
		{"what follows a registered query", query, query + "&a=b", true},
		{"a registered query that the answer's names are in", "https://pizza.example/?code=7", "https://pizza.example/?code=7", true},

		{"nothing is registered", "", base, false},
		{"another scheme", base, "http://pizza.example/cb", false},
		{"a scheme of script", base, "javascript://pizza.example/cb", false},
		{"no scheme", base, "//pizza.example/cb", false},
		{"one slash behind the scheme", base, "https:/pizza.example/cb", false},
		{"three slashes behind the scheme", base, "https:///pizza.example/cb", false},
		{"another host", base, "https://evil.example/cb", false},
		{"a host that ends in ours", base, "https://evilpizza.example/cb", false},
		{"a host that begins with ours", base, "https://pizza.example.evil.example/cb", false},
		{"a host below ours", base, "https://www.pizza.example/cb", false},
		{"a dot behind the host", base, "https://pizza.example./cb", false},
		{"our host as the user", base, "https://pizza.example@evil.example/cb", false},
		{"a user before our host", base, "https://evil@pizza.example/cb", false},
		{"an empty user", base, "https://@pizza.example/cb", false},
		{"our host as user and port", base, "https://pizza.example:443@evil.example/cb", false},
		{"an encoded at sign", base, "https://pizza.example%40evil.example/cb", false},
		{"an encoded letter in the host", base, "https://pizz%61.example/cb", false},
		{"a letter that looks like another", base, "https://pіzza.example/cb", false},
		{"a full stop that is none", base, "https://pizza。example/cb", false},
		{"a slash that is none", base, "https://evil.example／pizza.example/cb", false},
		{"another port", base, "https://pizza.example:8443/cb", false},
		{"the other scheme's port", base, "https://pizza.example:80/cb", false},
		{"an empty port", base, "https://pizza.example:/cb", false},
		{"a port with a zero in front", base, "https://pizza.example:0443/cb", false},
		{"a port beyond 65535", "https://pizza.example:99999/cb", "https://pizza.example:99999/cb/", false},
		{"a port that is a word", base, "https://pizza.example:https/cb", false},
		{"two ports", base, "https://pizza.example:443:443/cb", false},
		{"a path that goes on without a slash", base, base + "evil", false},
		{"a path in other letters", base, "https://pizza.example/CB", false},
		{"a path that is too short", base, "https://pizza.example/c", false},
		{"another path", base, "https://pizza.example/evil", false},
		{"the base in the query only", base, "https://pizza.example/?/cb", false},
		{"a dot segment", base, base + "/../evil", false},
		{"a dot segment at the end", base, base + "/..", false},
		{"a single dot", base, base + "/./x", false},
		{"an encoded dot segment", base, base + "/%2e%2e/evil", false},
		{"a half-encoded dot segment", base, base + "/.%2E/evil", false},
		{"a twice encoded dot segment", base, base + "/%252e%252e/evil", false},
		{"a dot segment with a path parameter", base, base + "/..;x/evil", false},
		{"a dot segment with an encoded path parameter", base, base + "/..%3bx/evil", false},
		{"an encoded slash", base, base + "/a%2Fb", false},
		{"an encoded slash instead of the slash", base, base + "%2fevil", false},
		{"an encoded backslash", base, base + "/%5c..", false},
		{"a backslash", base, base + `\evil`, false},
		{"a backslash that ends the host for a browser", base, `https://evil.example\@pizza.example/cb`, false},
		{"backslashes behind the scheme", base, `https:\\pizza.example\cb`, false},
		{"two slashes at the start of the path", root, root + "//evil.example", false},
		{"a fragment", base, base + "#x", false},
		{"an empty fragment", base, base + "#", false},
		{"a fragment before our host", base, "https://evil.example#pizza.example/cb", false},
		{"a question mark before our host", base, "https://evil.example?pizza.example/cb", false},
		{"a line end", base, base + "\n", false},
		{"a line end in the middle", base, base + "/\r\nSet-Cookie:x", false},
		{"an encoded line end in the path", base, base + "/%0d%0aSet-Cookie:x", false},
		{"a tab within the host", base, "https://pizza\t.example/cb", false},
		{"a blank in front", base, " " + base, false},
		{"a blank behind", base, base + " ", false},
		{"a NUL", base, base + "/\x00", false},
		{"an encoded NUL", base, base + "/%00", false},
		{"a cut percent sign", base, base + "/%2", false},
		{"a percent sign with no digits", base, base + "?a=%zz", false},
		{"a letter beyond ASCII in the path", base, base + "/ä", false},
		{"angle brackets", base, base + "?<script>", false},
		{"a bracket in the path", base, base + "/[x]", false},
		{"too long", base, long + "a", false},
		{"the slash of the base left out", slash, base, false},
		{"a code in the query", base, base + "?code=stolen", false},
		{"a code in the query, encoded", base, base + "?a=b&%63ode=stolen", false},
		{"a code in the path", base, base + "/code=stolen", false},
		{"a code in the path, encoded", base, base + "/cod%65%3Dstolen", false},
		{"a code in a longer name", base, base + "?zipcode=98052", false},
		{"an error in a value", base, base + "?promo=error=1", false},
		{"a code in a value, encoded", base, base + "?x=code%3Dstolen", false},
		{"a code in a value, in other letters", base, base + "?x=CODE%3dstolen", false},
		{"words of the answer that no client takes for it", base, base + "/code/error?promo=error&zip=code", true},
		{"a code in the query, in other letters", base, base + "?a=b&Code=stolen", false},
		{"a code behind a semicolon", base, base + "?a=b;code=stolen", false},
		{"a code in the query, as a list", base, base + "?code[]=stolen", false},
		{"a code in the query, as a list, encoded", base, base + "?a=b&code%5b0%5d=stolen", false},
		{"a code behind a blank", base, base + "?+code=stolen", false},
		{"a code behind an encoded blank", base, base + "?%20code=stolen", false},
		{"an error in the query", base, base + "?error=x", false},
		{"an issuer in the query", base, base + "?iss=https://evil.example", false},
		{"the registered query left out", query, base, false},
		{"the registered query changed", query, base + "?tenant=8", false},
		{"the registered query gone on", query, query + "8", false},
		{"the registered query not in front", query, base + "?a=b&tenant=7", false},
		{"an IPv6 address that is not closed", "http://[::1]/", "http://[::1/", false},
		{"text behind an IPv6 address", "http://[::1]/", "http://[::1]x/", false},
		{"an IPv6 address that is none", "http://[::1]/", "http://[::1::]/", false},
		{"an IPv4 address in brackets", "http://[::1]/", "http://[127.0.0.1]/", false},
		{"a zone of an IPv6 address", "http://[::1]/", "http://[::1%25eth0]/", false},
		{"below a registered zone", "http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/x", false},
		{"below a registered IPv4 address in brackets", "http://[127.0.0.1]/", "http://[127.0.0.1]/x", false},
		{"port 0, though registered", "http://pizza.example:0/", "http://pizza.example:0/x", false},
		{"empty", base, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mayRedirect(&app.App{RedirectURI: c.base}, c.given); got != c.want {
				t.Fatalf("%q under %q: %v", c.given, c.base, got)
			}
		})
	}
}

func TestMayRedirectPublic(t *testing.T) {
	const base = "https://pizza.example/cb"
	for _, c := range []struct {
		name, base, given string
		want              bool
	}{
		{"the registered one", base, base, true},
		{"another port on 127.0.0.1", "http://127.0.0.1/cb", "http://127.0.0.1:53211/cb", true},
		{"another port instead of one", "http://127.0.0.1:1/cb?a=b", "http://127.0.0.1:2/cb?a=b", true},
		{"another port on [::1]", "http://[::1]/cb", "http://[::1]:53211/cb", true},

		{"below the registered one", base, base + "/x", false},
		{"an extra query", base, base + "?a=b", false},
		{"capitals in the host", base, "https://PIZZA.example/cb", false},
		{"the scheme's own port", base, "https://pizza.example:443/cb", false},
		{"another port elsewhere", "http://pizza.example/cb", "http://pizza.example:81/cb", false},
		{"another port on localhost, which is a name", "http://localhost/cb", "http://localhost:53211/cb", false},
		{"another loopback address", "http://127.0.0.1/cb", "http://127.0.0.2/cb", false},
		{"the other family", "http://127.0.0.1/cb", "http://[::1]/cb", false},
		{"https on the loopback", "https://127.0.0.1/cb", "https://127.0.0.1:53211/cb", false},
		{"capitals in the scheme on the loopback", "http://127.0.0.1/cb", "HTTP://127.0.0.1:53211/cb", false},
		{"another path on the loopback", "http://127.0.0.1/cb", "http://127.0.0.1:53211/cb/x", false},
		{"an extra query on the loopback", "http://127.0.0.1/cb", "http://127.0.0.1:53211/cb?a", false},
		{"an empty query on the loopback", "http://127.0.0.1/cb", "http://127.0.0.1:53211/cb?", false},
		{"the loopback as the user", "http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false},
		{"the loopback as the start of a name", "http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false},
		{"another spelling of the loopback", "http://[::1]/cb", "http://[0:0::1]:7/cb", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mayRedirect(&app.App{RedirectURI: c.base, Auth: app.AuthNone}, c.given); got != c.want {
				t.Fatalf("%q for %q: %v", c.given, c.base, got)
			}
		})
	}
}

// FuzzUnderBase holds what is accepted against another parser: it must read the registered scheme, host
// and port, no user, no fragment, and a path that is under the base when it is cleaned.
func FuzzUnderBase(f *testing.F) {
	for _, base := range []string{"https://pizza.example/cb", "http://pizza.example:8080/", "https://pizza.example", "https://pizza.example/cb?tenant=7", "http://[::1]:8000/cb"} {
		for _, more := range []string{"", "/x", "?a=b", "/../x", "/%2e%2e/x", "@evil.example", "%2f", `\x`, "#", "//x", "&a=b", "/..;/x", ":443/x", "?code=1"} {
			f.Add(base, base+more)
		}
	}
	f.Fuzz(func(t *testing.T, base, given string) {
		if !underBase(base, given) {
			return
		}
		b, err := url.Parse(base)
		if err != nil {
			t.Fatalf("base %q: %v", base, err)
		}
		u, err := url.Parse(given)
		if err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		if u.Scheme != b.Scheme || !strings.EqualFold(u.Hostname(), b.Hostname()) || port(t, u) != port(t, b) || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q is not at %q", given, base)
		}
		// Decoded, resolved and without what a parser may drop, it is still below.
		under := strings.TrimSuffix(b.Path, "/")
		clean := b.ResolveReference(u).JoinPath().Path
		if clean != under && !strings.HasPrefix(clean, under+"/") && strings.TrimSuffix(clean, "/") != under {
			t.Fatalf("the path of %q is %q, not under %q", given, clean, under)
		}
		if !strings.HasPrefix(u.RawQuery, b.RawQuery) {
			t.Fatalf("%q does not keep the query of %q", given, base)
		}
		for i := range len(given) {
			if given[i] <= ' ' || given[i] >= 0x7f || given[i] == '\\' {
				t.Fatalf("%q has a byte %#x", given, given[i])
			}
		}
		for name := range u.Query() {
			if name == "code" && b.Query().Get("code") == "" {
				t.Fatalf("%q carries a code", given)
			}
		}
	})
}

func port(t *testing.T, u *url.URL) int {
	p := u.Port()
	if p == "" {
		return map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatalf("port %q", p)
	}
	return n
}

func TestAnswer(t *testing.T) {
	s := &Service{issuer: "https://api.example"}
	for _, c := range []struct{ name, redirect, state, want string }{
		{"a question mark where there is no query", "https://a.example/cb", "", "https://a.example/cb?iss=https%3A%2F%2Fapi.example&code=CODE"},
		{"an ampersand where there is one", "https://a.example/cb?x=y", "7", "https://a.example/cb?x=y&state=7&iss=https%3A%2F%2Fapi.example&code=CODE"},
		{"nothing where a query is open", "https://a.example/cb?", "7", "https://a.example/cb?state=7&iss=https%3A%2F%2Fapi.example&code=CODE"},
		{"a state that looks like an answer", "https://a.example/cb", "code=1&error=2 ü", "https://a.example/cb?state=code%3D1%26error%3D2%20%C3%BC&iss=https%3A%2F%2Fapi.example&code=CODE"},
		{"a registered URI beyond ASCII", "https://a.example/ü", "", "https://a.example/%C3%BC?iss=https%3A%2F%2Fapi.example&code=CODE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.success(Request{Redirect: c.redirect, State: c.state}, "CODE")
			if got != c.want {
				t.Fatalf("got %s", got)
			}
			// As the Android client looks at it (docs/reference/oauth.md §2).
			if _, code, _ := strings.Cut(got, "code="); code != "CODE" || strings.Contains(got, "error=") {
				t.Fatalf("a client that searches finds %q", code)
			}
		})
	}
	t.Run("no issuer, no iss", func(t *testing.T) {
		if got := (&Service{}).success(Request{Redirect: "https://a.example/cb"}, "CODE"); got != "https://a.example/cb?code=CODE" {
			t.Fatalf("got %s", got)
		}
	})
}
