package longlines

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"longlines/api/oauthv4"
	"longlines/app"
	"longlines/fault"
	"longlines/oauth"
	"longlines/sandbox/enrichment"
)

// Where subscribers come in who are known by the network they are on: a listener for the operator's
// enrichment proxy, if it is configured, and one for that of the virtual network. Both serve the consent
// pages of the API listener, and nothing else of it.

// onNetworkListener is such a listener.
type onNetworkListener struct {
	listener net.Listener
	server   *http.Server
}

// Limits of the connections with a proxy.
const (
	onNetworkHead = 5 * time.Second
	onNetworkBody = 30 * time.Second
	onNetworkIdle = time.Minute
)

// openOnNetwork opens the listeners in front of the pages. The virtual proxy is made here too, because
// it needs the other half of the certificates.
func (p *Platform) openOnNetwork(pages http.Handler, refuse func(http.ResponseWriter, *http.Request, *fault.Fault)) error {
	if n := p.cfg.OAuth.OnNetwork; n.Listen != "" {
		config, err := n.tls()
		if err != nil {
			return err
		}
		e, err := n.enrichment()
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", n.Listen)
		if err != nil {
			return listenError("oauth.on_network.listen", n.Listen, err)
		}
		p.info.OnNetwork = l.Addr().String()
		api, err := url.Parse(p.info.API)
		if err != nil {
			return err
		}
		host := api.Host // as browsers send it: without the port that is the scheme's own
		if port := api.Port(); api.Scheme == "https" && port == "443" || api.Scheme == "http" && port == "80" {
			host = strings.TrimSuffix(host, ":"+port)
		}
		p.addOnNetwork(l, config, oauthv4.OnNetworkConfig{Enrichment: e, Host: host, Plain: api.Scheme == "http", Refuse: refuse}, pages)
	}
	if p.virtual == nil {
		return nil
	}
	server, client, err := enrichment.Certificates()
	if err != nil {
		return fmt.Errorf("certificates of the virtual data network: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e := oauth.Enrichment{Issuer: "virtual", Key: key, Level: app.LevelSandbox}
	p.addOnNetwork(l, server, oauthv4.OnNetworkConfig{Enrichment: e, Plain: true, Refuse: refuse}, pages) // each phone has a name of its own
	candidates := phoneDefaults
	if p.cfg.Sandbox.BrowserListen != "" {
		candidates = []string{p.cfg.Sandbox.BrowserListen}
	}
	for _, addr := range candidates {
		p.phones, err = enrichment.New(enrichment.Config{Listen: addr, Target: l.Addr().String(), TLS: client, Issuer: e.Issuer, Key: key, Now: p.now, Log: p.log})
		if err == nil {
			p.info.PhoneBrowser = p.phones.Addr().String()
			return nil
		}
	}
	return listenError("sandbox.browser_listen", candidates[0], err)
}

func (p *Platform) addOnNetwork(l net.Listener, config *tls.Config, c oauthv4.OnNetworkConfig, pages http.Handler) {
	c.Subscribers, c.Log = p.subscribers, p.log
	p.onNetwork = append(p.onNetwork, onNetworkListener{l, &http.Server{
		Handler:           oauthv4.OnNetwork(c, pages),
		TLSConfig:         config,
		ReadHeaderTimeout: onNetworkHead, ReadTimeout: onNetworkBody, WriteTimeout: onNetworkBody, IdleTimeout: onNetworkIdle,
		MaxHeaderBytes: 16 << 10,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: 100},
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}})
}

// home are prefixes as MSISDNs begin, without the plus.
func home(prefixes []string) (out []string) {
	for _, s := range prefixes {
		out = append(out, strings.TrimPrefix(s, "+"))
	}
	return out
}

// consentLevel is whose subscribers My consents is for: the live ones, unless there is only a virtual
// network.
func (p *Platform) consentLevel() app.Level {
	if p.virtual != nil && len(p.cfg.Links) == 0 {
		for _, l := range p.router.Links() {
			if l.Name != sandboxLink {
				return app.LevelProduction
			}
		}
		return app.LevelSandbox
	}
	return app.LevelProduction
}
